"""What crosses HTTP between services, people's programs and the web app. No I/O, no dependency but pydantic."""
