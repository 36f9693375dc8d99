"""Ways to a device, from a client's side: a serial port, TCP, WebSocket, HTTP, MQTT. They know no update system."""
