"""What models are asked and how they answer, told to LangSmith and to the current trace; off unless somebody asks for it."""

from shared.llm.traces.settings import ModelTraceSettings

__all__ = ["ModelTraceSettings"]
