//! Reading a restored store back, against what the lading names.
//!
//! What is to be there comes from the bundle's proven documents alone; the store is only asked for
//! it. So a store that lacks something, or holds something else under its digest, is found out.

use std::io::{self, Read};
use std::path::Path;

use super::DrillError;
use crate::files::FileError;
use crate::layout::{Layout, Store as _};
use crate::oci::{ContentError, Digest, Reference, Role, VerifyingReader, read_block};
use crate::pool;
use crate::report::Progress;
use crate::verify::{Contents, VerifiedBundle};

/// How much is read at once, in bytes.
const BLOCK: usize = 256 * 1024;

/// What a bundle restores to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Images that the lading lists.
    pub images: u64,
    /// Manifests and indexes, each once.
    pub documents: u64,
    /// Configs, layers and whatever else manifests name and travels, each once.
    pub blobs: u64,
    /// The bytes of documents and blobs.
    pub bytes: u64,
}

/// Counts what `bundle` restores to.
pub fn tally(bundle: &VerifiedBundle) -> Tally {
    let contents = bundle.get();
    let wanted = contents.content(contents.images());
    let documents = contents.documents().count() as u64;
    Tally {
        images: contents.images().len() as u64,
        documents,
        blobs: wanted.len() as u64 - documents,
        bytes: total(wanted.values()),
    }
}

/// What a catalog states of layers that are made later may be anything.
fn total<'a>(sizes: impl Iterator<Item = &'a u64>) -> u64 {
    sizes.fold(0, |sum, size| sum.saturating_add(*size))
}

/// Reads every name, document and blob of `bundle` from the store, from the medium and not from
/// the system's memory as far as that can be had, and proves it.
///
/// # Errors
/// [`DrillError::Name`], [`DrillError::Absent`], [`DrillError::Differs`], [`DrillError::Layout`],
/// [`DrillError::File`].
pub fn read_back(
    bundle: &VerifiedBundle,
    store: &Path,
    jobs: usize,
    progress: &dyn Progress,
) -> Result<(), DrillError> {
    let layout = Layout::open(store)?;
    check_names(bundle.get(), &layout)?;
    let wanted = bundle.get().content(bundle.get().images());
    let wanted: Vec<(Digest, u64)> = wanted.into_iter().collect();
    progress.begin("reading back", total(wanted.iter().map(|(_, size)| size)));
    pool::run(jobs, &wanted, |(digest, size)| prove(&layout, *digest, *size, progress))?;
    progress.end();
    Ok(())
}

fn check_names(contents: &Contents, layout: &Layout) -> Result<(), DrillError> {
    for image in contents.images() {
        let tagged = image.documents.iter().filter(|document| document.role == Role::Tagged);
        let tagged =
            tagged.filter_map(|it| Some((image.name.with_tag(it.tag.clone()?), it.digest)));
        for (name, expected) in tagged.chain([(image.name.clone(), image.digest)]) {
            if !names(layout, &name, &expected) {
                return Err(DrillError::Name { name, expected });
            }
        }
    }
    Ok(())
}

/// True when the layout lists `digest`, under the tag of `name` if it has one.
fn names(layout: &Layout, name: &Reference, digest: &Digest) -> bool {
    let wanted = name.tag.as_ref().map(|tag| format!("{}:{tag}", name.repository));
    let fits = |listed: Option<&String>| wanted.is_none() || listed == wanted.as_ref();
    let mut entries = layout.entries().iter();
    entries.any(|entry| entry.descriptor.digest == *digest && fits(entry.name.as_ref()))
}

fn prove(
    layout: &Layout,
    digest: Digest,
    size: u64,
    progress: &dyn Progress,
) -> Result<(), DrillError> {
    let section = layout.open(&digest)?.ok_or(DrillError::Absent { digest })?;
    section.forget();
    let reader = VerifyingReader::new(section, digest, size);
    read_all(reader, progress).map_err(|error| match ContentError::inside(&error) {
        Some(content) => DrillError::Differs(content.clone()),
        None => FileError::io("read", layout.root(), error).into(),
    })
}

fn read_all(mut reader: impl Read, progress: &dyn Progress) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    loop {
        match read_block(&mut reader, &mut block)? {
            0 => return Ok(()),
            count => progress.advance(count as u64),
        }
    }
}
