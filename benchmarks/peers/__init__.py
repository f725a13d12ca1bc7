"""The same job on other libraries, each in a virtual environment of its own."""
