//! A read-only registry over a layout.
