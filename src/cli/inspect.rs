//! `gapferry inspect`: shows what is aboard.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::bundles::{BundleArgs, TrustArgs};
use super::context::Context;
use super::failure::Failure;
use super::output::{bytes, count, escaped};
use crate::bundle::{Catalog, Extent, Layer, Pack, Stored, TransferRecord, Words};
use crate::oci::{Digest, Manifest, PinnedDocument, PinnedImage, Role};
use crate::verify::Contents;

const EXAMPLES: &str = "\
EXAMPLES:
  What is aboard, and who says so:
    gapferry inspect /media/stick/bundle --trust release.key.pub
  For scripts:
    gapferry inspect bundle.tar --trust release.key.pub --output json";

/// Show what is aboard a bundle
///
/// Without --trust the parts of the bundle are held against each other, but anybody may have made
/// it, and the output says so.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    bundle: BundleArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

/// Does it.
///
/// # Errors
/// Whatever is wrong with the bundle.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let contents = args.trust.look(&args.bundle.places, context)?;
    match context.json() {
        true => print_json(&contents, context),
        false => context.print(&table(&contents)),
    }
}

fn print_json(contents: &Contents, context: &Context) -> Result<(), Failure> {
    let seal = contents.seal();
    context.print_json(&json!({
        "signatureVerified": !contents.signers().is_empty(),
        "signers": contents.signers().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "seal": contents.seal_digest(),
        "stream": seal.stream.as_str(),
        "epoch": seal.epoch,
        "sequence": seal.sequence,
        "created": seal.created.to_string(),
        "expires": seal.expires.map(|time| time.to_string()),
        "destination": seal.destination.as_ref().map(|name| name.as_str()),
        "files": seal.files,
        "bytes": seal.bytes,
        "tool": contents.lading().tool,
        "record": contents.lading().record(),
        "requires": seal.requires,
        "packs": packs(contents),
        "blobs": contents.catalog().image_blobs().map(|(digest, size)| {
            json!({"digest": digest, "size": size, "had": had(contents.catalog(), &digest)})
        }).collect::<Vec<_>>(),
        "packing": contents.images().iter().map(|image| {
            let saved = saved(image, contents);
            json!({
                "name": image.name,
                "packedBytes": saved.map_or(0, |(whole, _)| whole),
                "aboardBytes": saved.map_or(0, |(_, aboard)| aboard),
            })
        }).collect::<Vec<_>>(),
        "images": contents.images(),
    }))
}

/// How many packs there are, and their bytes.
fn packs(contents: &Contents) -> serde_json::Value {
    let packs = &contents.catalog().packs;
    let bytes: u64 = packs.iter().map(|pack| pack.blob.size).sum();
    json!({"count": packs.len(), "bytes": bytes})
}

/// How a blob is had: in a word for scripts.
fn had(catalog: &Catalog, digest: &Digest) -> &'static str {
    match (catalog.layer(digest), catalog.held(digest), catalog.get(digest)) {
        (Some(_), ..) => "packed",
        (_, Some(_), _) => "held",
        (.., Some(blob)) => match blob.stored {
            None => "stored",
            Some(Stored::Unshared) => "unshared",
            Some(Stored::Encoder) => "encoder",
            Some(Stored::Form) => "form",
        },
        _ => "absent",
    }
}

/// What is aboard, for people.
pub fn table(contents: &Contents) -> String {
    let seal = contents.seal();
    let signed = match contents.signers() {
        [] => "signature     NOT VERIFIED: anybody may have made this (give --trust)\n".to_owned(),
        ids => ids.iter().map(|id| format!("signed by     {id}\n")).collect(),
    };
    let mut text = format!(
        "seal          {}\n{signed}stream        {}, epoch {}, sequence {}\ncreated       {} by {}\n\
         expires       {}\ndestination   {}\ncontent       {} files, {}\n\n",
        contents.seal_digest(),
        seal.stream.as_str(),
        seal.epoch,
        seal.sequence,
        seal.created,
        escaped(&contents.lading().tool),
        seal.expires.map_or("never".to_owned(), |time| time.to_string()),
        seal.destination.as_ref().map_or("any", |name| name.as_str()),
        seal.files,
        bytes(seal.bytes),
    );
    for base in &seal.requires {
        text += &format!("builds upon   {base}\n");
    }
    text += &record(contents.lading().record());
    text += &packing(contents);
    for image in contents.images() {
        text += &describe(image, contents);
    }
    text
}

/// Who lets it across, as the bundle says.
fn record(record: Option<&TransferRecord>) -> String {
    let Some(record) = record else { return String::new() };
    let said = &record.said;
    let words = |words: &Option<Words>| words.as_ref().map(|it| it.as_str().to_owned());
    let log = record
        .log
        .as_ref()
        .map(|it| format!("{}, {}", it.origin.as_str(), count(it.size, "record")));
    let lines = [
        ("record", Some(record.id.as_str().to_owned())),
        ("ticket", words(&said.ticket)),
        ("prepared by", words(&said.preparer)),
        ("approved by", words(&said.approver)),
        ("source", words(&said.source)),
        ("goes to", words(&said.destination)),
        ("handling", words(&said.handling)),
        ("tool digest", record.tool_digest.map(|it| it.to_string())),
        ("policy met", record.policy.map(|it| it.to_string())),
        ("maker's log", log),
    ];
    let lines = lines.into_iter().filter_map(|(name, value)| Some((name, value?)));
    lines.map(|(name, value)| format!("{name:<13} {}\n", escaped(&value))).collect::<String>()
        + "\n"
}

/// What the transfer record says of an image.
fn recorded(image: &PinnedImage, contents: &Contents) -> String {
    let images = contents.lading().record().map(|record| record.images.as_slice());
    let known = images.unwrap_or_default().iter().find(|it| it.name == image.name);
    let Some(known) = known else { return String::new() };
    let mut text = String::new();
    for signed in &known.signatures {
        let keys: Vec<&str> = signed.keys.iter().map(Words::as_str).collect();
        let keys = escaped(&keys.join(", "));
        text += &format!("  signed upstream by {} of {keys}\n", signed.threshold);
    }
    for it in &known.attached {
        let counts = |counts: &BTreeMap<String, u64>| {
            let shown = counts.iter().map(|(word, count)| format!("{count} {word}"));
            escaped(&shown.collect::<Vec<_>>().join(", "))
        };
        text += &format!("  {:?} {}", it.kind, it.blob);
        text += &it.packages.map_or(String::new(), |it| format!(", {}", count(it, "package")));
        text += &match &it.findings {
            Some(found) if found.is_empty() => ", no findings".to_owned(),
            Some(found) => format!(", findings: {}", counts(found)),
            None => String::new(),
        };
        text += "\n";
        if !it.licences.is_empty() {
            text += &format!("    licences: {}\n", counts(&it.licences));
        }
    }
    text
}

/// What packing saved, if anything was packed.
fn packing(contents: &Contents) -> String {
    let catalog = contents.catalog();
    if catalog.layers.is_empty() && catalog.held.is_empty() {
        return String::new();
    }
    let packs: u64 = catalog.packs.iter().map(|pack| pack.blob.size).sum();
    let packed: u64 = catalog.layers.iter().map(|layer| layer.blob.size).sum();
    let held: u64 = catalog.held.iter().map(|held| held.blob.size).sum();
    format!(
        "packed        {} of {} in {} of {}\nleft out      {} of {}, which the destination holds\n\n",
        count(catalog.layers.len(), "layer"),
        bytes(packed),
        count(catalog.packs.len(), "pack"),
        bytes(packs),
        count(catalog.held.len(), "blob"),
        bytes(held),
    )
}

/// How the layers of an image are had, where that is worth a word.
fn layers(image: &PinnedImage, contents: &Contents) -> String {
    let documents = image.documents.iter().filter_map(|it| contents.document(&it.digest));
    let blobs = documents.flat_map(Manifest::blobs).filter(|blob| !image.omits(&blob.digest));
    let mut seen = BTreeSet::new();
    let mut text = String::new();
    for blob in blobs.filter(|blob| seen.insert(blob.digest)) {
        let word = match had(contents.catalog(), &blob.digest) {
            "stored" => continue,
            "packed" => packed(contents.catalog(), &blob.digest),
            "held" => "at the destination".to_owned(),
            "unshared" => "stored: shares too little".to_owned(),
            "encoder" => "stored: no known encoder makes it again".to_owned(),
            _ => "stored: not in a form that is opened".to_owned(),
        };
        text += &format!("  layer {}  {}, {word}\n", blob.digest, bytes(blob.size));
    }
    text
}

/// What the packed layers of an image are, and what their content takes aboard. Content that several
/// images share counts for each.
fn saved(image: &PinnedImage, contents: &Contents) -> Option<(u64, u64)> {
    let catalog = contents.catalog();
    let documents = image.documents.iter().filter_map(|it| contents.document(&it.digest));
    let blobs: BTreeSet<Digest> = documents.flat_map(Manifest::blobs).map(|it| it.digest).collect();
    let layers: Vec<&Layer> = blobs.iter().filter_map(|digest| catalog.layer(digest)).collect();
    let whole = layers.iter().map(|layer| layer.blob.size).sum();
    let packs: BTreeMap<Digest, &Pack> =
        catalog.packs.iter().map(|pack| (pack.blob.digest, pack)).collect();
    let taken = |layer: &&Layer| {
        let extents = layer.extents.iter();
        let share = |Extent(from, _, length): &Extent| {
            let pack = packs.get(layer.from.get(*from as usize)?)?;
            Some(u128::from(pack.blob.size) * u128::from(*length) / u128::from(pack.plain().max(1)))
        };
        extents.filter_map(share).sum::<u128>()
    };
    let aboard = layers.iter().map(taken).sum::<u128>();
    (!layers.is_empty()).then(|| (whole, u64::try_from(aboard).unwrap_or(u64::MAX)))
}

/// A packed layer: its encoder and its plain size.
fn packed(catalog: &Catalog, digest: &Digest) -> String {
    let Some(layer) = catalog.layer(digest) else { return String::new() };
    let encoder = layer.coding.as_ref().map_or("plain", |coding| &coding.encoding);
    format!("packed: {}, {} of plain content", escaped(encoder), bytes(layer.plain))
}

fn describe(image: &PinnedImage, contents: &Contents) -> String {
    let mut text = format!(
        "{}\n  {}, {}\n  from {}, because of {}\n",
        image.name,
        image.digest,
        bytes(image.bytes),
        escaped(&image.source),
        escaped(&image.why.join(", "))
    );
    for document in &image.documents {
        text += &line(document);
    }
    for omitted in &image.omitted {
        let platform = omitted.platform.as_ref().map_or(String::new(), |it| format!(" {it}"));
        text += &format!("  left behind{platform}  {}\n", omitted.digest);
    }
    text += &recorded(image, contents);
    if let Some((whole, aboard)) = saved(image, contents) {
        text += &format!(
            "  packed layers of {} take {} aboard, with what they share\n",
            bytes(whole),
            bytes(aboard)
        );
    }
    text + &layers(image, contents) + "\n"
}

fn line(document: &PinnedDocument) -> String {
    let what = match (document.role, &document.platform, &document.tag) {
        (Role::Root, Some(platform), _) => format!("root {platform}"),
        (Role::Root, None, _) => "root".to_owned(),
        (Role::Child, Some(platform), _) => format!("platform {platform}"),
        (Role::Child, None, _) => "child".to_owned(),
        (Role::Tagged, _, Some(tag)) => format!("tagged {tag}"),
        (Role::Referrer | Role::Tagged, _, _) => "refers to it".to_owned(),
    };
    let kind = document.artifact_type.as_deref().unwrap_or(document.media_type.as_str());
    format!("  {what}  {}  {}\n", document.digest, escaped(kind))
}
