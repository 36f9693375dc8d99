"""A client's ways to a device: a serial port, TCP, WebSocket, HTTP, MQTT. They know no update system."""
