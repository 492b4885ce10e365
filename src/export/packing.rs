//! Carrying the blobs of a plan when layers are opened: hold, look, decide, prove, lay.
//!
//! Blobs are worked on side by side. Two things happen in the order of the plan, whoever is first:
//! deciding (what is known depends on what came before) and laying (where files lie on the medium).
//! So the bundle's bytes do not depend on the number of threads.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

use super::base::Bases;
use super::journal::{self, Journal, JournalError};
use super::known::{Known, Run, Share};
use super::open::{self, Form, Look, Opened};
use super::pack::{self, Making, Packed};
use super::plan::{Plan, PlannedBlob};
use super::resume::{self, Places};
use super::run::content;
use super::turns::Turns;
use super::{ExportError, PackMode, recipes};
use crate::bundle::{BlobPath, CatalogBlob, Coding, HeldBlob, Kind, Marks, Stored, Writer};
use crate::chunk::Chunk;
use crate::files::{FileError, Section};
use crate::oci::CopyError;
use crate::pool::{self, Benches};
use crate::recompress::{Encoding, Proof, StreamError, libzstd, prove};
use crate::report::Progress;
use crate::source::Opener;

/// In `auto`, a layer is packed when so many percent of its plain bytes are known.
const WORTH: u64 = 25;
/// Layers that are opened or proven at a time: each takes some tens of MiB.
const BENCHES: usize = 4;

/// How blobs are carried.
pub struct Manner<'a> {
    /// Which layers are packed.
    pub mode: PackMode,
    /// zstd's level.
    pub level: i32,
    /// Where blobs are held while they are worked on; beside the bundle unless given.
    pub scratch: Option<&'a Path>,
    /// How many blobs are worked on at a time.
    pub jobs: usize,
}

/// What became of a blob of the plan.
#[derive(Debug)]
pub struct Carried {
    /// Its entry.
    pub entry: CatalogBlob,
    /// How it came aboard, or not.
    pub way: Way,
    /// What it is made of, if it was opened.
    pub opened: Option<Chunked>,
}

/// The chunks of a layer.
#[derive(Debug)]
pub struct Chunked {
    /// How many plain bytes.
    pub plain: u64,
    /// From front to back.
    pub chunks: Vec<Chunk>,
    /// How others take from its middle, if they can.
    pub kind: Option<Kind>,
}

/// How a blob is carried.
#[derive(Debug)]
pub enum Way {
    /// As it is.
    Stored,
    /// Not at all: the destination holds it.
    Held,
    /// As a recipe.
    Packed {
        /// Its plain bytes.
        runs: Vec<Run>,
        /// Those that it brought itself.
        packed: Packed,
        /// How they become the layer; `None` where they are the layer.
        coding: Option<Coding>,
    },
}

impl Way {
    fn is_zstd(&self) -> bool {
        let Way::Packed { coding: Some(coding), .. } = self else { return false };
        coding.encoding.parse().is_ok_and(|encoding: Encoding| !encoding.is_deflate())
    }
}

/// Carries every blob of `plan`, in its order.
///
/// # Errors
/// Every [`ExportError`] but those of planning.
pub fn carry(
    plan: &Plan,
    bases: &Bases,
    sources: &Opener,
    (writer, journal): (&Writer, &Journal),
    manner: Manner<'_>,
    progress: &dyn Progress,
) -> Result<Vec<Carried>, ExportError> {
    let aboard = resume::aboard(journal, plan, bases, writer, Places::InTurn, manner.jobs)?;
    let packing = Packing {
        journal,
        aboard: Mutex::new(aboard),
        plan,
        bases,
        sources,
        writer,
        manner,
        progress,
        deciding: Turns::default(),
        laying: Turns::default(),
        known: Mutex::new(bases.known()),
        benches: Benches::new(BENCHES),
    };
    let places: Vec<usize> = (0..plan.blobs.len()).collect();
    let carried = pool::run(packing.manner.jobs, &places, |at| {
        packing.carry(*at).inspect_err(|_| {
            packing.deciding.fail(*at);
            packing.laying.fail(*at);
        })
    })?;
    // Only what came behind a failure is missing, and then there was an error.
    Ok(carried.into_iter().flatten().collect())
}

struct Packing<'a> {
    plan: &'a Plan,
    bases: &'a Bases,
    sources: &'a Opener,
    writer: &'a Writer,
    journal: &'a Journal,
    /// What an interrupted run brought aboard.
    aboard: Mutex<BTreeMap<usize, Carried>>,
    manner: Manner<'a>,
    progress: &'a dyn Progress,
    deciding: Turns,
    laying: Turns,
    known: Mutex<Known>,
    benches: Benches,
}

/// A blob whose digest is proven, in a file of our own.
struct Holding {
    file: HeldBlob,
    entry: CatalogBlob,
}

/// What is to be done with a blob.
enum Decision {
    /// It is carried as it is.
    Store(Option<Stored>),
    /// It is packed, if it can be made again.
    Pack(Form, Share),
    /// It is packed, and was made again.
    Repack(Share, Proof),
}

/// A decision that can be carried out.
enum Proven {
    Store(Option<Stored>),
    Pack(Form, Share, Option<Proof>),
}

impl Packing<'_> {
    /// `None` when a blob before it has failed.
    fn carry(&self, at: usize) -> Result<Option<Carried>, ExportError> {
        let blob = &self.plan.blobs[at];
        if let Some(entry) = self.bases.blob(&blob.descriptor) {
            self.progress.advance(blob.descriptor.size);
            let carried = Carried { entry: entry.clone(), way: Way::Held, opened: None };
            return Ok(
                (self.pass(&self.deciding, at) && self.pass(&self.laying, at)).then_some(carried)
            );
        }
        let aboard = self.aboard.lock().expect("no thread panics with the lock").remove(&at);
        if let Some(carried) = aboard {
            return self.again(at, carried);
        }
        let holding = self.hold(blob)?;
        let layer = section(&holding.file)?;
        let look = self.benches.at(|| open::open(&layer));
        let look = look.map_err(|error| FileError::io("read", holding.file.path(), error))?;
        if !self.deciding.wait(at) {
            return Ok(None);
        }
        let (decision, opened) = self.decide(at, look, &layer)?;
        self.deciding.pass();
        let decision = self.prove(decision, &layer)?;
        if !self.laying.wait(at) {
            return Ok(None);
        }
        let (entry, way) = self.lay(at, holding, &layer, decision)?;
        let carried = Carried { entry, way, opened };
        self.writer.keep_unfinished();
        self.journal.note(at, &carried)?;
        self.laying.pass();
        Ok(Some(carried))
    }

    /// A blob that is aboard already: what is known goes on from it as it did before.
    fn again(&self, at: usize, mut carried: Carried) -> Result<Option<Carried>, ExportError> {
        self.progress.advance(carried.entry.size);
        if !self.deciding.wait(at) {
            return Ok(None);
        }
        if let Some(opened) = &carried.opened {
            let place = u32::try_from(at).expect("fewer blobs than a catalog holds");
            let mut known = self.known.lock().expect("no thread panics with the lock");
            // As it was decided: a layer of zstd is a home for others once it is packed.
            let home = opened.kind.is_some() || carried.way.is_zstd();
            let share = known.share(place, &opened.chunks, home);
            if let Way::Packed { runs, packed, .. } = &mut carried.way {
                if !journal::is_laid(packed, &share.new_runs(place)) {
                    let path = self.journal.path().to_owned();
                    return Err(JournalError::Malformed(path).into());
                }
                *runs = share.runs;
            }
        }
        self.deciding.pass();
        Ok(self.pass(&self.laying, at).then_some(carried))
    }

    fn pass(&self, turns: &Turns, at: usize) -> bool {
        let mine = turns.wait(at);
        if mine {
            turns.pass();
        }
        mine
    }

    /// Fetches a blob into a file of our own, and proves its digest.
    fn hold(&self, blob: &PlannedBlob) -> Result<Holding, ExportError> {
        let (image, digest) = (&self.plan.images[blob.image], blob.descriptor.digest);
        let unproven = content(self.sources, image, &blob.descriptor)?;
        let mut file = self.writer.hold(blob.path, self.manner.scratch)?;
        let copied = unproven.copy(|block| {
            self.progress.advance(block.len() as u64);
            file.file().write_all(block)
        });
        let marks = copied.map_err(|error| match error {
            CopyError::Read(error) => {
                ExportError::Read { name: image.name.clone(), blob: digest, error }
            }
            CopyError::Write(error) => FileError::io("write", file.path(), error).into(),
        })?;
        let (size, marks) = (blob.descriptor.size, Marks(marks));
        Ok(Holding { file, entry: CatalogBlob { digest, size, marks, stored: None } })
    }

    /// What is known of the layer, and whether it pays to pack it.
    fn decide(
        &self,
        at: usize,
        look: Look,
        layer: &Section,
    ) -> Result<(Decision, Option<Chunked>), ExportError> {
        let Opened { form, plain, chunks, kind } = match look {
            Look::Opened(opened) => opened,
            Look::Closed(why) => return Ok((Decision::Store(Some(why)), None)),
            Look::Other => return Ok((Decision::Store(None), None)),
        };
        let place = u32::try_from(at).expect("fewer blobs than a catalog holds");
        let mut known = self.known.lock().expect("no thread panics with the lock");
        let share = known.share(place, &chunks, kind.is_some());
        let too_large = self.plan.blobs[at].descriptor.size > self.writer.largest_blob();
        let worth = share.known > 0 && share.known.saturating_mul(100) >= plain * WORTH;
        let pack = self.manner.mode == PackMode::Always || too_large || worth;
        let decision = match (pack, form) {
            (false, _) => Decision::Store(Some(Stored::Unshared)),
            // Others can take from it only if it is packed. So that must be certain now.
            (true, Form::Zstd) => match self.benches.at(|| libzstd::prove(layer)) {
                Ok(Some(proof)) => Decision::Repack(known.share(place, &chunks, true), proof),
                Ok(None) => Decision::Store(Some(Stored::Encoder)),
                Err(error) => return Err(StreamError::from(error).into()),
            },
            (true, Form::Tar | Form::Gzip) => Decision::Pack(form, share),
        };
        Ok((decision, Some(Chunked { plain, chunks, kind })))
    }

    /// A gzip layer is packed only if it was made again, every byte of it.
    fn prove(&self, decision: Decision, layer: &Section) -> Result<Proven, ExportError> {
        Ok(match decision {
            Decision::Store(why) => Proven::Store(why),
            Decision::Repack(share, proof) => Proven::Pack(Form::Zstd, share, Some(proof)),
            Decision::Pack(Form::Gzip, share) => {
                let proof = self.benches.at(|| prove(layer)).map_err(StreamError::from)?;
                match proof {
                    Some(proof) => Proven::Pack(Form::Gzip, share, Some(proof)),
                    None => Proven::Store(Some(Stored::Encoder)),
                }
            }
            Decision::Pack(form, share) => Proven::Pack(form, share, None),
        })
    }

    /// Gives the blob its place in the bundle.
    fn lay(
        &self,
        at: usize,
        holding: Holding,
        layer: &Section,
        decision: Proven,
    ) -> Result<(CatalogBlob, Way), ExportError> {
        let Holding { file, mut entry } = holding;
        match decision {
            Proven::Store(why) => {
                entry.stored = why;
                let path = self.plan.blobs[at].path;
                self.writer.announce(path, entry.size)?;
                self.writer.keep(path, file)?;
                Ok((entry, Way::Stored))
            }
            Proven::Pack(form, share, proof) => {
                let packed = self.pack(at, layer, form, &share)?;
                let coding = proof.as_ref().map(recipes::coding);
                Ok((entry, Way::Packed { runs: share.runs, packed, coding }))
            }
        }
    }

    fn pack(
        &self,
        at: usize,
        layer: &Section,
        form: Form,
        share: &Share,
    ) -> Result<Packed, ExportError> {
        let making = Making { level: self.manner.level, largest: self.writer.largest_blob() };
        let place = u32::try_from(at).expect("fewer blobs than a catalog holds");
        pack::pack((layer, form), &share.new_runs(place), making, &mut |blob, bytes| {
            let path = BlobPath::of(&blob.digest).expect("a pack's digest is SHA-256");
            self.writer.announce(path, blob.size)?;
            let mut out = self.writer.blob(path)?;
            let written = out.write_all(bytes);
            written.map_err(|error| FileError::io("write", out.file(), error))?;
            Ok(out.finish()?)
        })
    }
}

fn section(file: &HeldBlob) -> Result<Section, FileError> {
    let failed = |error| FileError::io("read", file.path(), error);
    Section::whole(file.as_file().try_clone().map_err(failed)?).map_err(failed)
}
