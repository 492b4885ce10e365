//! What the benchmark is made of.

pub(crate) mod corpus;
pub(crate) mod measure;
pub(crate) mod registry;
