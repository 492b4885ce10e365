//! Loading a verified bundle into a target.
