"""Every method of the SDKs, called once in one story, in Python (sync and async) and TypeScript."""
