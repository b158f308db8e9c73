"""What goes over the wire, as pydantic models: of them the OpenAPI document is made."""
