//! The bundle: an OCI layout plus the files that make it provable.
//!
//! Three layers, each unaware of the one outside it: *content* (what is signed: [`Seal`],
//! [`Sums`], [`Lading`], [`Catalog`] and the layout), *packaging* (how it lies on a medium:
//! [`Medium`] reads it, [`Writer`] writes it) and *protection* ([`crate::parity`]). This module mirrors
//! `formats/` one to one: bytes in, bytes out. Who may believe the bytes is decided in
//! [`crate::verify`].

mod append;
mod catalog;
mod index;
mod lading;
mod medium;
mod order;
mod part;
mod path;
mod recipe;
mod record;
mod salvage;
mod seal;
mod sums;
mod ustar;
mod volumes;
mod writer;

pub use append::append;
pub use catalog::{Catalog, CatalogBlob, CatalogError, MAX_CATALOG_SIZE, Marks, Stored};
pub use index::{
    IndexError, MAX_INDEX_SIZE, OCI_LAYOUT, check_docker_manifest_json, check_index_json,
    docker_manifest_json, index_json,
};
pub use lading::{Lading, LadingError, MAX_LADING_SIZE};
pub use medium::{MAX_FILES, Medium, MediumError, Piece, PieceReader};
pub use order::{mentioned_blobs, places};
pub use part::{Part, ReadAt, is_parity_name, parity_name};
pub use path::{BLOB_DIRECTORY, BlobPath, BundlePath, HeadFile, InvalidPath};
pub use recipe::{Base, Coding, Extent, Held, Kind, Layer, MAX_FRAME, Opened, Pack};
pub use record::{
    Attached, AttachedKind, CheckedSignatures, ImageRecord, InvalidWords, LogState, Said,
    TransferRecord, Words,
};
pub use salvage::Remains;
pub use seal::{MAX_SEAL_SIZE, Seal, SealError};
pub use sums::{MAX_SUMS_SIZE, Sums, SumsError};
pub use volumes::{LABEL, LISTING, listing, number_list, volume_name, volume_number};
pub use writer::{
    BlobWriter, Changer, Held as HeldBlob, NotChanged, Packaging, Room, Spread, Spreading,
    WriteError, Writer, is_fresh,
};

pub use crate::trust::{InvalidName, InvalidTimestamp, Name, Timestamp};
