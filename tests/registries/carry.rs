//! Whole images through the binary.
