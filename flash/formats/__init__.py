"""Image file formats, one room each; `flash.images` is their face. Nobody else imports these."""
