"""What a file holds, as documents: firmware archives, images, the content of a flash.

Files and boards in, JSON documents out, and text made from nothing but a document. What the bootloader and the updater
would say is asked of them, on an `EmulatedDevice`; no rule of theirs is repeated here. Changes no file.
"""
