"""Editing, comparing and checking flash images: images in, images and values out.

Neighbours: `flash.images` reads and writes the files, `brownout flash` is the command. Knows no board.
"""
