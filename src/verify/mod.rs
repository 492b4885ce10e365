//! The numbered verification.
