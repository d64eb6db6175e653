"""The handlers that are shipped, one file each."""

#: Type name -> `module:class`; the entry points of the distribution say the same.
BUILT_IN = {
    "file": "e3_event.handler.file:FileHandler",
    "logging": "e3_event.handler.logging:LoggingHandler",
    "smtp": "e3_event.handler.smtp:SMTPHandler",
    "s3": "e3_event.handler.s3:S3Handler",
    "spool": "e3_event.handler.spool:SpoolHandler",
}
