//! `gapferry inspect`: shows what is aboard.

use serde_json::json;

use super::bundles::{BundleArgs, TrustArgs};
use super::context::Context;
use super::failure::Failure;
use super::output::{bytes, escaped};
use crate::oci::{PinnedDocument, PinnedImage, Role};
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
        "images": contents.images(),
    }))
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
    for image in contents.images() {
        text += &describe(image);
    }
    text
}

fn describe(image: &PinnedImage) -> String {
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
    text + "\n"
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
