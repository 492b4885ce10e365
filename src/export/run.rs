//! Writing a planned bundle: blobs first, head files next, the seal last.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use super::authorise::authorise;
use super::base::Bases;
use super::journal::{Begun, Journal, JournalError};
use super::packing::{self, Carried, Manner, Way};
use super::plan::{Plan, PlannedBlob};
use super::resume::{self, Places};
use super::{ExportError, PackMode, recipes};
use crate::bundle::{
    BlobPath, BundlePath, Catalog, CatalogBlob, HeadFile, Held, Lading, MAX_SEAL_SIZE, Marks,
    Medium, Name, OCI_LAYOUT, Packaging, Seal, Sums, Timestamp, TransferRecord, WriteError, Writer,
    docker_manifest_json, index_json,
};
use crate::files::FileError;
use crate::oci::{CopyError, Descriptor, Digest, Manifest, PinnedImage, Unproven};
use crate::pool;
use crate::report::Progress;
use crate::source::Opener;
use crate::trust::{Chain, Purpose, Signature, Signer};

/// What the seal is to say, and how the bundle is to be written.
pub struct Order<'a> {
    /// How the files lie on the medium.
    pub packaging: Packaging,
    /// The line of bundles that this one continues.
    pub stream: Name,
    /// Which counting of sequence numbers; trust documents have their own word in it.
    pub epoch: u64,
    /// The trust documents that the maker knows; they travel along.
    pub chain: Option<&'a Chain>,
    /// Goes up from bundle to bundle.
    pub sequence: u64,
    /// The seal of the bundle before this one in the stream; `None` to name none.
    pub previous: Option<Digest>,
    /// When the bundle is made.
    pub created: Timestamp,
    /// When it is to be refused; `None` for never.
    pub expires: Option<Timestamp>,
    /// For whom; `None` for anybody.
    pub destination: Option<Name>,
    /// Which layers are packed.
    pub pack: PackMode,
    /// zstd's level for packs.
    pub level: i32,
    /// What the destination holds already.
    pub bases: &'a Bases,
    /// Where blobs are held while they are worked on; beside the bundle unless given.
    pub scratch: Option<&'a Path>,
    /// The transfer record, if there is to be one.
    pub record: Option<&'a TransferRecord>,
    /// Who signs; each adds one signature.
    pub signers: &'a [Box<dyn Signer>],
    /// How many blobs are read at a time.
    pub jobs: usize,
}

impl Order<'_> {
    /// What the bundle's bytes depend on.
    fn begun(&self, plan: &Plan) -> Begun {
        let options = format!(
            "{:?} {} {} {:?} {} {:?} {:?} {:?} {:?} {} {:?} {:?}",
            self.packaging,
            self.stream.as_str(),
            self.epoch,
            self.chain.map(|chain| chain.newest().number),
            self.sequence,
            self.previous,
            self.expires,
            self.destination,
            self.pack,
            self.level,
            self.bases.seals,
            self.record.map(TransferRecord::lasting)
        );
        let options = Digest::of(options.as_bytes());
        Begun { images: plan.images.clone(), options, created: self.created.unix() }
    }
}

/// What was written.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The digest of the seal: the name of the bundle.
    pub seal_digest: Digest,
    /// The seal.
    pub seal: Seal,
}

/// Writes the bundle of `plan` to `out`. When it fails there is no bundle; what was written of it
/// stays with its journal, if that is worth it, and is `resumed` by the next run.
///
/// # Errors
/// Every [`ExportError`] but those of planning.
pub fn write(
    plan: &Plan,
    sources: &Opener,
    out: &Path,
    order: &Order<'_>,
    resumed: Option<Journal>,
    progress: &dyn Progress,
) -> Result<Summary, ExportError> {
    authorise(order)?;
    let begun = order.begun(plan);
    let (writer, journal) = match resumed {
        Some(journal) if *journal.begun() != begun => {
            return Err(JournalError::Other(journal.path().to_owned()).into());
        }
        Some(journal) if journal.is_finished(out, order.packaging) => {
            let summary = finished(out)?;
            journal.remove()?;
            return Ok(summary);
        }
        Some(journal) => (Writer::resume(out, order.packaging)?, journal),
        None => {
            let writer = Writer::create(out, order.packaging)?;
            let journal = Journal::create(out, order.packaging, begun, &plan.documents);
            // Somebody else may work here already.
            let journal = journal.inspect_err(|_| writer.keep_unfinished())?;
            (writer, journal)
        }
    };
    writer.sweep();
    let written = fill(plan, sources, (&writer, &journal), order, progress)
        .and_then(|heads| seal(plan, order, heads, writer));
    if written.is_ok() || journal.is_empty() {
        journal.remove()?;
    }
    written
}

/// Every document and blob; gives the catalog and the chunk index.
fn fill(
    plan: &Plan,
    sources: &Opener,
    (writer, journal): (&Writer, &Journal),
    order: &Order<'_>,
    progress: &dyn Progress,
) -> Result<(Catalog, Option<Vec<u8>>), ExportError> {
    for document in plan.documents.values() {
        write_document(writer, document)?;
    }
    progress.begin("exporting", plan.blob_bytes());
    let made = match order.pack {
        PackMode::Never => (store(plan, sources, (writer, journal), order, progress)?, None),
        mode => {
            let manner =
                Manner { mode, level: order.level, scratch: order.scratch, jobs: order.jobs };
            let bases = order.bases;
            let carried =
                packing::carry(plan, bases, sources, (writer, journal), manner, progress)?;
            let chunks = recipes::chunk_index(&carried, bases).to_bytes();
            (recipes::catalog(plan, carried, bases), chunks)
        }
    };
    progress.end();
    Ok(made)
}

/// What was finished in the last instant before the interruption.
fn finished(out: &Path) -> Result<Summary, ExportError> {
    let unsealed = || JournalError::Malformed(out.to_owned());
    let medium = Medium::gather(&[out.to_owned()]).map_err(|_| unsealed())?;
    let piece = medium.get(&HeadFile::Seal.into()).ok_or_else(unsealed)?;
    let bytes = piece.read(MAX_SEAL_SIZE)?.ok_or_else(unsealed)?;
    let seal = Seal::parse(&bytes).map_err(|_| unsealed())?;
    Ok(Summary { seal_digest: Digest::of(&bytes), seal })
}

/// The head files, the signatures, and last the seal.
fn seal(
    plan: &Plan,
    order: &Order<'_>,
    (catalog, chunks): (Catalog, Option<Vec<u8>>),
    writer: Writer,
) -> Result<Summary, ExportError> {
    let lading = Lading::new(concat!("gapferry ", env!("CARGO_PKG_VERSION")), plan.images.clone())
        .with_record(order.record.cloned());
    let mut heads = vec![
        (HeadFile::OciLayout, OCI_LAYOUT.to_vec()),
        (HeadFile::Index, index_json(&lading.images)),
    ];
    // Docker can load what is there, not what is to be made.
    if catalog.layers.is_empty() && catalog.held.is_empty() {
        let list = docker_manifest_json(&lading.images, &plan.documents);
        heads.push((HeadFile::DockerManifest, list));
    }
    heads.push((HeadFile::Lading, lading.to_bytes()));
    heads.push((HeadFile::Catalog, catalog.to_bytes()));
    heads.extend(chunks.map(|chunks| (HeadFile::Chunks, chunks)));
    let documents = plan.documents.values().map(Manifest::descriptor);
    let files = documents
        .map(|document| (document.digest, document.size))
        .chain(catalog.files().map(|blob| (blob.digest, blob.size)));
    let files: BTreeMap<BlobPath, u64> =
        files.filter_map(|(digest, size)| Some((BlobPath::of(&digest)?, size))).collect();
    let sums = Sums::new(&heads, files.keys().copied());
    let bytes = heads.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>()
        + files.values().sum::<u64>();
    let sums_bytes = sums.to_bytes();
    let seal = the_seal(order, authorise(order)?, &lading, &sums, &sums_bytes, bytes);
    heads.push((HeadFile::Sums, sums_bytes));
    let seal_bytes = seal.to_bytes();
    let signatures = sign(&seal_bytes, order.signers)?;
    let links = order.chain.iter().flat_map(|chain| chain.links());
    let papers = links.flat_map(|(paper, _)| paper.files());
    let papers = papers.map(|(file, bytes)| (file.into(), bytes));
    let outside: Vec<_> = papers.chain(signatures).collect();
    writer.finish(&heads, &outside, Some(&seal_bytes))?;
    Ok(Summary { seal_digest: Digest::of(&seal_bytes), seal })
}

fn the_seal(
    order: &Order<'_>,
    epoch: u64,
    lading: &Lading,
    sums: &Sums,
    sums_bytes: &[u8],
    bytes: u64,
) -> Seal {
    Seal {
        stream: order.stream.clone(),
        epoch,
        sequence: order.sequence,
        previous: order.previous,
        created: order.created,
        expires: order.expires,
        destination: order.destination.clone(),
        requires: order.bases.seals.clone(),
        trust: order.chain.map_or(0, |chain| chain.newest().number.into()),
        images: lading.images.len() as u64,
        files: sums.len(),
        bytes,
        sums: Digest::of(sums_bytes),
        sums_size: sums_bytes.len() as u64,
    }
}

/// One signature a key, each checked: a signer that errs must not end up on a medium.
fn sign(
    seal: &[u8],
    signers: &[Box<dyn Signer>],
) -> Result<Vec<(BundlePath, Vec<u8>)>, ExportError> {
    let signatures = signers
        .iter()
        .map(|signer| Signature::by(signer.as_ref(), Purpose::Seal, seal))
        .map(|signature| signature.map(|it| (HeadFile::Signature(it.key_id).into(), it.bytes)))
        .collect::<Result<BTreeMap<_, _>, _>>()?;
    Ok(signatures.into_iter().collect())
}

fn write_document(writer: &Writer, document: &Manifest) -> Result<(), ExportError> {
    let Descriptor { digest, size, .. } = document.descriptor();
    let path = BlobPath::of(digest).expect("the plan holds sha256 content only");
    writer.announce(path, *size)?;
    let mut blob = writer.blob(path)?;
    blob.write_all(document.raw()).map_err(|error| FileError::io("write", blob.file(), error))?;
    Ok(blob.finish()?)
}

/// Every blob as it is, but for those that the destination holds.
fn store(
    plan: &Plan,
    sources: &Opener,
    (writer, journal): (&Writer, &Journal),
    order: &Order<'_>,
    progress: &dyn Progress,
) -> Result<Catalog, ExportError> {
    let (mut blobs, mut held) = (Vec::new(), Vec::new());
    for (at, blob) in plan.blobs.iter().enumerate() {
        match order.bases.blob(&blob.descriptor) {
            Some(entry) => {
                let home = order.bases.home(&plan.images[blob.image].name);
                held.push(Held { blob: entry.clone(), home });
            }
            None => {
                writer.announce(blob.path, blob.descriptor.size)?;
                blobs.push((at, blob));
            }
        }
    }
    let places = Places::Beforehand;
    let aboard = resume::aboard(journal, plan, order.bases, writer, places, order.jobs)?;
    let entries = pool::run(order.jobs, &blobs, |(at, blob)| match aboard.get(at) {
        Some(carried) => {
            progress.advance(carried.entry.size);
            Ok(carried.entry.clone())
        }
        None => {
            let entry = copy_blob(plan, blob, sources, writer, progress)?;
            writer.keep_unfinished();
            let carried = Carried { entry: entry.clone(), way: Way::Stored, opened: None };
            journal.note(*at, &carried)?;
            Ok::<_, ExportError>(entry)
        }
    })?;
    let mut catalog = Catalog::new(entries);
    if !held.is_empty() {
        catalog.homes = order.bases.homes.clone();
    }
    catalog.held = held;
    Ok(catalog.complete())
}

/// The content of a blob of `image`, from its source.
///
/// # Errors
/// [`ExportError::Source`].
pub(super) fn content(
    sources: &Opener,
    image: &PinnedImage,
    blob: &Descriptor,
) -> Result<Unproven, ExportError> {
    let found = sources.source(image).and_then(|source| source.blob(blob));
    found.map_err(|error| ExportError::Source { name: image.name.clone(), error })
}

fn copy_blob(
    plan: &Plan,
    blob: &PlannedBlob,
    sources: &Opener,
    writer: &Writer,
    progress: &dyn Progress,
) -> Result<CatalogBlob, ExportError> {
    let image = &plan.images[blob.image];
    let unproven = content(sources, image, &blob.descriptor)?;
    let mut out = writer.blob(blob.path)?;
    let copied = unproven.copy(|block| {
        progress.advance(block.len() as u64);
        out.write_all(block)
    });
    let marks = copied.map_err(|error| match error {
        CopyError::Read(error) => {
            ExportError::Read { name: image.name.clone(), blob: blob.descriptor.digest, error }
        }
        CopyError::Write(error) => {
            WriteError::File(FileError::io("write", out.file(), error)).into()
        }
    })?;
    out.finish()?;
    Ok(CatalogBlob {
        digest: blob.descriptor.digest,
        size: blob.descriptor.size,
        marks: Marks(marks),
        stored: None,
    })
}
