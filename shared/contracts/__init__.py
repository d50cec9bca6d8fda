"""What crosses a service boundary: plain pydantic models, no behaviour that needs I/O."""
