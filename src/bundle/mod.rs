//! The bundle: an OCI layout plus the files that make it provable.
//!
//! Three layers, each unaware of the one outside it: *content* (what is signed: [`Seal`],
//! [`Sums`], [`Lading`], [`Catalog`] and the layout), *packaging* (how it lies on a medium:
//! [`Medium`] reads it, [`Writer`] writes it) and, later, *protection*. This module mirrors
//! `formats/` one to one: bytes in, bytes out. Who may believe the bytes is decided in
//! [`crate::verify`].

mod append;
mod catalog;
mod index;
mod lading;
mod medium;
mod order;
mod path;
mod recipe;
mod record;
mod seal;
mod sums;
mod ustar;
mod writer;

pub use append::append;
pub use catalog::{Catalog, CatalogBlob, CatalogError, MAX_CATALOG_SIZE, Marks, Stored};
pub use index::{
    IndexError, MAX_INDEX_SIZE, OCI_LAYOUT, check_docker_manifest_json, check_index_json,
    docker_manifest_json, index_json,
};
pub use lading::{Lading, LadingError, MAX_LADING_SIZE};
pub use medium::{MAX_FILES, Medium, MediumError, Piece, PieceReader, volume_name};
pub use order::{mentioned_blobs, places};
pub use path::{BLOB_DIRECTORY, BlobPath, BundlePath, HeadFile, InvalidPath};
pub use recipe::{Base, Coding, Extent, Held, Kind, Layer, MAX_FRAME, Opened, Pack};
pub use record::{
    Attached, AttachedKind, CheckedSignatures, ImageRecord, InvalidWords, LogState, Said,
    TransferRecord, Words,
};
pub use seal::{MAX_SEAL_SIZE, Seal, SealError};
pub use sums::{MAX_SUMS_SIZE, Sums, SumsError};
pub use writer::{BlobWriter, Held as HeldBlob, Packaging, WriteError, Writer};

pub use crate::trust::{InvalidName, InvalidTimestamp, Name, Timestamp};
