//! The registry client against a registry that plays the quirks of real ones, by their names.
//!
//! [`table::TABLE`] says which quirk stands for which case, and which test plays it.

mod auth;
mod counting;
#[path = "../support/misbehaving/mod.rs"]
#[allow(dead_code)] // Each test binary uses a part of it.
mod misbehaving;
mod proxies;
mod pull;
mod push;
mod real;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod tags;
mod tokens;
#[path = "../support/tunnel.rs"]
mod tunnel;

use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gapferry::oci::{Descriptor, Manifest, MediaType, OCI_CONFIG, OCI_MANIFEST, Repository, Tag};
use gapferry::registry::{Client, Config, RegistryError};
use gapferry::report::{Event, Progress};
use gapferry::source::{RegistrySource, Source, SourceError};
use gapferry::target::{RegistryTarget, Target, TargetError};
use misbehaving::{Misbehaving, Quirk};

const MIB: usize = 1024 * 1024;
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const APP: &str = "team/app";

/// Keeps what is said.
#[derive(Default)]
struct Said(Mutex<Vec<Event>>);

impl Progress for Said {
    fn begin(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Said {
    fn warnings(&self) -> Vec<String> {
        let said = self.0.lock().unwrap();
        let warning = |event: &Event| match event {
            Event::Warning { text, .. } => Some(text.clone()),
            _ => None,
        };
        said.iter().filter_map(warning).collect()
    }
}

fn config() -> Config {
    Config {
        retries: 5,
        backoff: Duration::from_millis(1),
        idle_timeout: Duration::from_secs(5),
        ..Config::default()
    }
}

fn client() -> Client {
    Client::new(config()).unwrap()
}

fn app(registry: &Misbehaving) -> Repository {
    Repository::new(&registry.host(), APP).unwrap()
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Descriptor {
    Descriptor::of(MediaType::new(media_type).unwrap(), bytes)
}

/// Bytes that do not repeat.
fn bytes(count: usize) -> Vec<u8> {
    (0..count as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn json(descriptor: &Descriptor) -> String {
    let Descriptor { media_type, digest, size, .. } = descriptor;
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
}

/// An image of one layer; `more` ends its manifest.
fn image(layer: &[u8], more: &str) -> Manifest {
    let raw = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{},"layers":[{}]{more}}}"#,
        json(&descriptor(OCI_CONFIG, b"{}")),
        json(&descriptor(LAYER, layer)),
    );
    Manifest::parse(descriptor(OCI_MANIFEST, raw.as_bytes()), raw.into_bytes()).unwrap()
}

fn put_blob(target: &dyn Target, at: &Repository, bytes: &[u8]) -> Result<(), TargetError> {
    let blob = descriptor(LAYER, bytes);
    if target.has_blob(at, &blob)? {
        return Ok(());
    }
    let open = || Ok(Box::new(bytes) as Box<dyn Read>);
    match target.stage(at, &blob, &open)?.commit() {
        Err(TargetError::Expired) => target.stage(at, &blob, &open)?.commit(),
        outcome => outcome,
    }
}

/// Pushes an image of one layer as `team/app:v1`, as an import does.
fn push(client: &Client, registry: &Misbehaving, layer: &[u8]) -> Result<(), TargetError> {
    let (target, at) = (RegistryTarget::new(client.clone()), app(registry));
    target.tag(&at, &tag("v1"))?;
    put_blob(&target, &at, layer)?;
    put_blob(&target, &at, b"{}")?;
    let image = image(layer, "");
    target.put_manifest(&at, &image)?;
    target.put_tag(&at, &tag("v1"), &image)?;
    let found = target.tag(&at, &tag("v1"))?;
    assert_eq!(found, Some(image.descriptor().digest), "what was written is not what is read");
    Ok(())
}

/// Pulls `team/app:v1`, as an export does: its layer.
fn pull(client: &Client, registry: &Misbehaving) -> Result<Vec<u8>, SourceError> {
    let reference = format!("{}:v1", app(registry)).parse().unwrap();
    let source = RegistrySource::new(client.clone(), reference);
    let image = source.root()?;
    source.referrers(&image.descriptor().digest)?;
    let blob = image.blobs().last().unwrap().clone();
    let mut bytes = Vec::new();
    let read = source.blob(&blob)?.proving().read_to_end(&mut bytes);
    read.map_err(|error| match error.downcast::<RegistryError>() {
        Ok(error) => SourceError::Registry(error),
        Err(error) => panic!("{error}"),
    })?;
    Ok(bytes)
}

/// Pushes an image with a layer of so many bytes and pulls it again.
fn carries(client: &Client, registry: &Misbehaving, size: usize) {
    let layer = bytes(size);
    push(client, registry, &layer).unwrap_or_else(|error| panic!("{error}"));
    let pulled = pull(client, registry).unwrap_or_else(|error| panic!("{error}"));
    assert!(pulled == layer, "what comes out is not what went in");
}

/// A registry with these quirks, through which an image of so many bytes has gone.
fn carried(quirks: &[Quirk], size: usize) -> Misbehaving {
    let registry = Misbehaving::with(quirks);
    carries(&client(), &registry, size);
    registry
}

#[track_caller]
fn refused(outcome: Result<(), TargetError>) -> RegistryError {
    match outcome {
        Err(TargetError::Registry(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn unpulled<T: std::fmt::Debug>(outcome: Result<T, SourceError>) -> RegistryError {
    match outcome {
        Err(SourceError::Registry(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn with_events(config: Config) -> (Client, Arc<Said>) {
    let said = Arc::<Said>::default();
    (Client::new(Config { progress: said.clone(), ..config }).unwrap(), said)
}
