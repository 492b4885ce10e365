//! The client against a registry that does what each test says.

mod auth;
mod catalog;
mod pull;
mod push;
mod referrers;
mod server;
mod sessions;
mod transport;

use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Client, Config, RegistryError};
use crate::oci::{Descriptor, Digest, MediaType, OCI_MANIFEST, Repository};
use crate::report::{Event, Progress};
use server::{Reply, Seen, Server};

/// Keeps the events.
#[derive(Default)]
struct Events(Mutex<Vec<Event>>);

impl Progress for Events {
    fn begin(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Events {
    fn list(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }

    fn retries(&self) -> usize {
        self.list().iter().filter(|event| matches!(event, Event::Retry { .. })).count()
    }
}

fn config() -> Config {
    Config {
        retries: 3,
        backoff: Duration::from_millis(1),
        connect_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(5),
        ..Config::default()
    }
}

fn client() -> Client {
    Client::new(config()).unwrap()
}

fn client_with_events() -> (Client, Arc<Events>) {
    let events = Arc::<Events>::default();
    (Client::new(Config { progress: events.clone(), ..config() }).unwrap(), events)
}

fn repository(server: &Server) -> Repository {
    Repository::new(&server.host(), "team/app").unwrap()
}

fn blob(bytes: &[u8]) -> Descriptor {
    Descriptor::of(MediaType::new("a/b").unwrap(), bytes)
}

/// A manifest without layers; `more` goes after its config.
fn manifest(more: &str) -> String {
    let config = Digest::of(b"{}");
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{config}","size":2}},"layers":[]{more}}}"#
    )
}

fn read_blob(client: &Client, server: &Server, blob: &Descriptor) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    client.blob(&repository(server), blob).unwrap().unwrap().proving().read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn inside(error: &std::io::Error) -> &RegistryError {
    RegistryError::inside(error).unwrap_or_else(|| panic!("not a registry's error: {error}"))
}
