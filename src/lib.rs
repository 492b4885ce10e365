//! gapferry carries container images and OCI artifacts across an air gap.
//!
//! Data flows one way:
//!
//! ```text
//! source -> select -> export -> bundle -> verify -> import -> target
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`oci`] | digests, descriptors, references, manifests, verifying readers |
//! | [`report`] | progress and events |
//! | [`pool`] | threads for work that waits |
//! | [`files`] | opening and writing files without surprises |
//! | [`trust`] | keys, signatures, thresholds, trust documents, [`trust::Verified`] |
//! | [`layout`] | an OCI layout on disk |
//! | [`registry`] | the distribution-spec client |
//! | [`recompress`] | making a gzip stream again, byte for byte |
//! | [`chunk`] | cutting by content, the chunk index, zstd frames |
//! | [`bundle`] | the bundle format: seal, sums, lading, catalog, packaging |
//! | [`source`] | where images come from |
//! | [`target`] | where images go |
//! | [`select`] | what travels: list files, the lock |
//! | [`memory`] | what a site imported |
//! | [`policy`] | what a site lets through: rules, and signatures of cosign |
//! | [`audit`] | what was done here: the audit log and its checkpoints |
//! | [`verify`] | the numbered verification; the only maker of a verified bundle |
//! | [`export`] | plan and write a bundle |
//! | [`import`] | load a verified bundle into a target |
//! | [`receipt`] | what a site says of an import |
//! | [`drill`] | proving that a bundle restores |
//! | [`unpack`] | a bundle as a plain OCI layout |
//! | [`repack`] | the same bundle in another packaging |
//! | [`sign`] | adding signatures to a bundle |
//! | [`diff`] | what two bundles or locks do not share |
//! | [`serve`] | a read-only registry over a layout |
//! | [`cli`] | the command line; the only part that prints |

pub mod audit;
pub mod bundle;
pub mod chunk;
pub mod cli;
pub mod diff;
pub mod drill;
pub mod export;
pub mod files;
pub mod import;
pub mod layout;
pub mod memory;
pub mod oci;
pub mod policy;
pub mod pool;
pub mod receipt;
pub mod recompress;
pub mod registry;
pub mod repack;
pub mod report;
pub mod select;
pub mod serve;
pub mod sign;
pub mod source;
pub mod target;
pub mod trust;
pub mod unpack;
pub mod verify;

#[cfg(test)]
mod tests;
