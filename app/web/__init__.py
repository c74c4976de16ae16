"""The operator pages: server-rendered, usable without JavaScript, live where there is some."""
