//! `gapferry verify --complete`: what each image needs, and where all of it is.

use std::path::PathBuf;

use serde::Serialize;

use super::failure::{Exit, Failure};
use super::images::read_lock;
use super::output::count;
use crate::oci::Reference;
use crate::select::Lock;
use crate::verify::{Completeness, Contents, Difference, How, ImageProof, differences};

/// Whether the proof is wanted.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CompleteArgs {
    /// Show what each image needs and where all of it is (with -v every document and blob)
    #[arg(long)]
    complete: bool,
    /// The bundle must hold exactly what this lock names; else exit with 4 and list what differs
    #[arg(long, value_name = "FILE", requires = "complete")]
    lock: Option<PathBuf>,
}

/// The proof, and how the bundle differs from the lock.
#[derive(Debug, Serialize)]
pub struct Proof {
    #[serde(flatten)]
    completeness: Completeness,
    /// `None` when no lock is named.
    differences: Option<Vec<Unlike>>,
}

#[derive(Debug, Serialize)]
struct Unlike {
    name: Reference,
    #[serde(flatten)]
    difference: Difference,
}

impl CompleteArgs {
    /// The lock, which is read before the bundle.
    ///
    /// # Errors
    /// When it cannot be read or is malformed.
    pub fn lock(&self) -> Result<Option<Lock>, Failure> {
        self.lock.as_deref().map(read_lock).transpose()
    }

    /// The proof, if it is wanted.
    pub fn proof(&self, contents: &Contents, lock: Option<Lock>) -> Option<Proof> {
        let differences = lock.map(|lock| {
            let found = differences(lock.images(), contents.images()).into_iter();
            found.map(|(name, difference)| Unlike { name, difference }).collect()
        });
        self.complete.then(|| Proof { completeness: Completeness::of(contents), differences })
    }
}

impl Proof {
    /// # Errors
    /// `incomplete` when anything is missing, `not-the-lock` when the lock says something else.
    pub fn verdict(&self) -> Result<(), Failure> {
        let images = self.completeness.images.iter().filter(|image| !image.complete);
        let incomplete: Vec<String> = images.map(|image| image.name.to_string()).collect();
        if !incomplete.is_empty() {
            let message = format!("not complete: {}", incomplete.join(", "));
            let failure = Failure::new(Exit::Damaged, "incomplete", message);
            return Err(failure.hint("have the bundle made anew, with what is missing"));
        }
        match self.differences.as_ref().map_or(0, Vec::len) {
            0 => Ok(()),
            number => {
                let message = format!("{} from the lock", count(number, "difference"));
                let failure = Failure::new(Exit::NotAllowed, "not-the-lock", message);
                Err(failure.hint("ask the maker of the bundle which of both was approved"))
            }
        }
    }

    /// The proof for people; with every part if `all`.
    pub fn table(&self, all: bool) -> String {
        let mut text: String = self.completeness.images.iter().map(|it| image(it, all)).collect();
        let differences = self.differences.iter().flatten();
        text += &differences.map(line).collect::<String>();
        let images = count(self.completeness.images.len(), "image");
        text += &match (self.completeness.complete, &self.differences) {
            (false, _) => "NOT COMPLETE\n".to_owned(),
            (true, None) => format!("complete: {images}\n"),
            (true, Some(none)) if none.is_empty() => {
                format!("complete: {images}, exactly those of the lock\n")
            }
            (true, Some(_)) => format!("complete: {images}, but NOT THOSE OF THE LOCK\n"),
        };
        text
    }
}

fn image(proof: &ImageProof, all: bool) -> String {
    let verdict = if proof.complete { "complete" } else { "NOT COMPLETE" };
    let mut text = format!("{}  {}  {verdict}\n", proof.name, proof.digest);
    if let Some(index) = &proof.index {
        text += &format!("  one platform of the index {index}, which stays behind\n");
    }
    if let Some(index) = &proof.empty_index {
        text += &format!("  nothing of the index {index} is aboard\n");
    }
    text += &platforms(proof);
    let of = |kind: &str| format!("{} {kind}", proof.count(&[kind], How::Aboard));
    text += &format!(
        "  documents  {}, {}, {}, {}\n",
        of("root"),
        of("child"),
        of("referrer"),
        of("tagged")
    );
    let blobs = |how| proof.count(&["config", "layer"], how);
    text += &format!(
        "  blobs      {} aboard, {} packed, {} at the destination, {} foreign left behind\n",
        blobs(How::Aboard),
        blobs(How::Packed),
        blobs(How::Held),
        blobs(How::Foreign)
    );
    let shown = proof.parts.iter().filter(|part| all || part.how == How::Missing);
    text + &shown
        .map(|it| format!("  {:<8} {}  {}\n", it.kind, it.digest, word(it.how)))
        .collect::<String>()
}

fn platforms(proof: &ImageProof) -> String {
    let those = |how: How| {
        let parts = proof.parts.iter().filter(|part| part.how == how);
        let names: Vec<String> =
            parts.filter_map(|part| part.platform.as_ref()).map(ToString::to_string).collect();
        names.join(", ")
    };
    match (those(How::Aboard), those(How::Platform)) {
        (aboard, left) if aboard.is_empty() && left.is_empty() => String::new(),
        (aboard, left) if left.is_empty() => format!("  platforms  {aboard}\n"),
        (aboard, left) => format!("  platforms  {aboard}; left behind: {left}\n"),
    }
}

fn word(how: How) -> &'static str {
    match how {
        How::Aboard => "aboard",
        How::Packed => "packed",
        How::Held => "at the destination",
        How::Platform => "left behind: another platform",
        How::Foreign => "left behind: foreign",
        How::Referrer => "left behind: of a kind that nobody asked for",
        How::Missing => "MISSING",
    }
}

fn line(unlike: &Unlike) -> String {
    let name = &unlike.name;
    match &unlike.difference {
        Difference::ImageMissing => format!("not aboard     {name}\n"),
        Difference::ImageExtra => format!("not in lock    {name}\n"),
        Difference::OtherDigest { locked, aboard } => {
            format!("other digest   {name}  {locked} locked, {aboard} aboard\n")
        }
        Difference::DocumentMissing { digest } => format!("not aboard     {name}  {digest}\n"),
        Difference::DocumentExtra { digest } => format!("not in lock    {name}  {digest}\n"),
        Difference::Omitted { digest } => format!("left behind?   {name}  {digest}\n"),
    }
}
