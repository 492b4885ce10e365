//! Opening the places that images come from.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::archive::Archive;
use super::chart::ChartSource;
use super::docker_archive::DockerArchiveSource;
use super::layout::LayoutSource;
use super::location::Location;
use super::oci_archive::ArchiveLayout;
use super::registry::RegistrySource;
use super::{Source, SourceError};
use crate::layout::{Layout, Store};
use crate::oci::{PinnedImage, Reference, Repository, Tag};
use crate::registry::Client;

/// An image in its place.
#[derive(Clone)]
pub struct Opened {
    /// What gives its content.
    pub source: Arc<dyn Source>,
    /// The reference that it goes by in its place, if its name there is one.
    pub name: Option<Reference>,
}

/// Opens places, each once. Used from many threads.
pub struct Opener {
    client: Client,
    foreign_layers: bool,
    open: Mutex<HashMap<Location, Opened>>,
}

impl Opener {
    /// Speaks to registries through `client`.
    pub fn new(client: Client) -> Opener {
        Opener { client, foreign_layers: false, open: Mutex::default() }
    }

    /// With `fetch`, foreign layers that a registry does not hold are fetched from the addresses that
    /// their descriptors give.
    pub fn with_foreign_layers(self, fetch: bool) -> Opener {
        Opener { foreign_layers: fetch, ..self }
    }

    /// Opens the place of an image.
    ///
    /// # Errors
    /// Every [`SourceError`].
    pub fn open(&self, location: &Location) -> Result<Opened, SourceError> {
        // Held while a place is opened: that may mean reading a whole archive, and once is enough.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = open.get(location) {
            return Ok(opened.clone());
        }
        let opened = match location {
            Location::Registry(reference) => Opened {
                source: Arc::new(
                    RegistrySource::new(self.client.clone(), reference.clone())
                        .with_foreign_layers(self.foreign_layers),
                ),
                name: Some(reference.clone()),
            },
            Location::OciLayout { path, name } => stored(Layout::open(path)?, name.as_deref())?,
            Location::OciArchive { path, name } => {
                stored(ArchiveLayout::new(Archive::open(path)?)?, name.as_deref())?
            }
            Location::DockerArchive { path, name } => docker_archive(path, name.as_deref())?,
            Location::Chart { path } => chart(path)?,
        };
        open.insert(location.clone(), opened.clone());
        Ok(opened)
    }

    /// The tags of a repository at a registry, sorted.
    ///
    /// # Errors
    /// [`SourceError::NotFound`]; whatever the registry does.
    pub fn tags(&self, repository: &Repository) -> Result<Vec<Tag>, SourceError> {
        let missing = || SourceError::NotFound(repository.to_string());
        self.client.tags(repository)?.ok_or_else(missing)
    }

    /// The repositories of the registry of `host`, which is any of them; sorted.
    ///
    /// # Errors
    /// Whatever the registry does.
    pub fn repositories(&self, host: &Repository) -> Result<Vec<Repository>, SourceError> {
        Ok(self.client.repositories(host)?)
    }

    /// The source of a pinned image.
    ///
    /// # Errors
    /// Every [`SourceError`].
    pub fn source(&self, image: &PinnedImage) -> Result<Arc<dyn Source>, SourceError> {
        Ok(self.open(&image.source.parse()?)?.source)
    }
}

fn stored<S: Store + 'static>(store: S, name: Option<&str>) -> Result<Opened, SourceError> {
    let source = LayoutSource::new(store, name)?;
    let name = source.reference();
    Ok(Opened { source: Arc::new(source), name })
}

fn chart(path: &Path) -> Result<Opened, SourceError> {
    let failed = |error| SourceError::Chart { path: path.to_owned(), error };
    let source = ChartSource::new(path).map_err(failed)?;
    let name = Some(source.reference());
    Ok(Opened { source: Arc::new(source), name })
}

/// Docker writes an OCI layout into its archives since version 25: then the image's own manifest
/// is there, which is better than one made of its parts.
fn docker_archive(path: &Path, name: Option<&str>) -> Result<Opened, SourceError> {
    let archive = Archive::open(path)?;
    let is_layout = archive.file("oci-layout").is_some() && archive.file("index.json").is_some();
    if is_layout && archive.first_link().is_none() {
        match stored(ArchiveLayout::new(archive.clone())?, name) {
            Err(SourceError::NotFound(_)) => {}
            found => return found,
        }
    }
    let source = DockerArchiveSource::new(&archive, name)?;
    let name = source.reference();
    Ok(Opened { source: Arc::new(source), name })
}
