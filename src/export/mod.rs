//! Planning and writing a bundle.
