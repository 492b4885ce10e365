//! Writing a planned bundle: blobs first, head files next, the seal last.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use super::ExportError;
use super::plan::{Plan, PlannedBlob};
use crate::bundle::{
    Catalog, CatalogBlob, HeadFile, Lading, Marks, Name, OCI_LAYOUT, Packaging, Seal, Sums,
    Timestamp, WriteError, Writer, docker_manifest_json, index_json, places,
};
use crate::files::FileError;
use crate::oci::{CopyError, Digest, Manifest};
use crate::pool;
use crate::report::Progress;
use crate::source::Opener;
use crate::trust::{Signature, Signer};

/// What the seal is to say, and how the bundle is to be written.
pub struct Order<'a> {
    /// How the files lie on the medium.
    pub packaging: Packaging,
    /// The line of bundles that this one continues.
    pub stream: Name,
    /// Goes up from bundle to bundle.
    pub sequence: u64,
    /// When the bundle is made.
    pub created: Timestamp,
    /// When it is to be refused; `None` for never.
    pub expires: Option<Timestamp>,
    /// For whom; `None` for anybody.
    pub destination: Option<Name>,
    /// Who signs; each adds one signature.
    pub signers: &'a [Box<dyn Signer>],
    /// How many blobs are read at a time.
    pub jobs: usize,
}

/// What was written.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The digest of the seal: the name of the bundle.
    pub seal_digest: Digest,
    /// The seal.
    pub seal: Seal,
}

/// The first epoch; only a trust document raises it.
const EPOCH: u64 = 1;

/// Writes the bundle of `plan` to `out`. When it fails there is no bundle.
///
/// # Errors
/// Every [`ExportError`] but those of planning.
pub fn write(
    plan: &Plan,
    sources: &Opener,
    out: &Path,
    order: &Order<'_>,
    progress: &dyn Progress,
) -> Result<Summary, ExportError> {
    let places = places(&plan.images, &plan.documents);
    let writer = Writer::create(out, order.packaging, &places)?;
    for document in plan.documents.values() {
        write_document(&writer, document)?;
    }
    progress.begin("exporting", plan.blob_bytes());
    let entries = pool::run(order.jobs, &plan.blobs, |blob| {
        copy_blob(plan, blob, sources, &writer, progress)
    })?;
    progress.end();
    let lading = Lading::new(concat!("gapferry ", env!("CARGO_PKG_VERSION")), plan.images.clone());
    let mut heads = vec![
        (HeadFile::OciLayout, OCI_LAYOUT.to_vec()),
        (HeadFile::Index, index_json(&lading.images)),
        (HeadFile::DockerManifest, docker_manifest_json(&lading.images, &plan.documents)),
        (HeadFile::Lading, lading.to_bytes()),
        (HeadFile::Catalog, Catalog::new(entries).to_bytes()),
    ];
    let sums = Sums::new(&heads, places.iter().map(|(path, _)| *path));
    let bytes = heads.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>()
        + places.iter().map(|(_, size)| size).sum::<u64>();
    let sums_bytes = sums.to_bytes();
    let seal = seal(order, &lading, &sums, &sums_bytes, bytes);
    heads.push((HeadFile::Sums, sums_bytes));
    let seal_bytes = seal.to_bytes();
    let signatures = sign(&seal_bytes, order.signers)?;
    writer.finish(&heads, &signatures, &seal_bytes)?;
    Ok(Summary { seal_digest: Digest::of(&seal_bytes), seal })
}

fn seal(order: &Order<'_>, lading: &Lading, sums: &Sums, sums_bytes: &[u8], bytes: u64) -> Seal {
    Seal {
        stream: order.stream.clone(),
        epoch: EPOCH,
        sequence: order.sequence,
        previous: None,
        created: order.created,
        expires: order.expires,
        destination: order.destination.clone(),
        requires: Vec::new(),
        trust: 0,
        images: lading.images.len() as u64,
        files: sums.len(),
        bytes,
        sums: Digest::of(sums_bytes),
        sums_size: sums_bytes.len() as u64,
    }
}

/// One signature a key, each checked: a signer that errs must not end up on a medium.
fn sign(seal: &[u8], signers: &[Box<dyn Signer>]) -> Result<Vec<(HeadFile, Vec<u8>)>, ExportError> {
    let signatures = signers
        .iter()
        .map(|signer| Signature::by(signer.as_ref(), seal))
        .map(|signature| signature.map(|it| (HeadFile::Signature(it.key_id), it.bytes)))
        .collect::<Result<BTreeMap<_, _>, _>>()?;
    Ok(signatures.into_iter().collect())
}

fn write_document(writer: &Writer, document: &Manifest) -> Result<(), ExportError> {
    let digest = document.descriptor().digest;
    let path = crate::bundle::BlobPath::of(&digest).expect("the plan holds sha256 content only");
    let mut blob = writer.blob(path)?;
    blob.write_all(document.raw()).map_err(|error| FileError::io("write", blob.file(), error))?;
    Ok(blob.finish()?)
}

fn copy_blob(
    plan: &Plan,
    blob: &PlannedBlob,
    sources: &Opener,
    writer: &Writer,
    progress: &dyn Progress,
) -> Result<CatalogBlob, ExportError> {
    let image = &plan.images[blob.image];
    let name = || image.name.clone();
    let unproven = sources
        .source(image)
        .and_then(|source| source.blob(&blob.descriptor))
        .map_err(|error| ExportError::Source { name: name(), error })?;
    let mut out = writer.blob(blob.path)?;
    let copied = unproven.copy(|block| {
        progress.advance(block.len() as u64);
        out.write_all(block)
    });
    let marks = copied.map_err(|error| match error {
        CopyError::Read(error) => {
            ExportError::Read { name: name(), blob: blob.descriptor.digest, error }
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
    })
}
