//! Opening the places that are on this machine.

use std::path::Path;
use std::sync::Arc;

use super::archive::Archive;
use super::docker_archive::DockerArchiveSource;
use super::layout::LayoutSource;
use super::location::Location;
use super::oci_archive::ArchiveLayout;
use super::{Source, SourceError};
use crate::layout::{Layout, Store};
use crate::oci::Reference;

/// An image on this machine.
pub struct Local {
    /// What gives its content.
    pub source: Arc<dyn Source>,
    /// The reference that it goes by in its place, if its name there is one.
    pub name: Option<Reference>,
}

/// Opens a layout or an archive; `None` for a location at a registry.
///
/// # Errors
/// Every [`SourceError`] but [`SourceError::Registry`].
pub fn open_local(location: &Location) -> Result<Option<Local>, SourceError> {
    let local = match location {
        Location::Registry(_) => return Ok(None),
        Location::OciLayout { path, name } => stored(Layout::open(path)?, name.as_deref())?,
        Location::OciArchive { path, name } => {
            stored(ArchiveLayout::new(Archive::open(path)?)?, name.as_deref())?
        }
        Location::DockerArchive { path, name } => docker_archive(path, name.as_deref())?,
    };
    Ok(Some(local))
}

fn stored<S: Store + 'static>(store: S, name: Option<&str>) -> Result<Local, SourceError> {
    let source = LayoutSource::new(store, name)?;
    let name = source.reference();
    Ok(Local { source: Arc::new(source), name })
}

/// Docker writes an OCI layout into its archives since version 25: then the image's own manifest
/// is there, which is better than one made of its parts.
fn docker_archive(path: &Path, name: Option<&str>) -> Result<Local, SourceError> {
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
    Ok(Local { source: Arc::new(source), name })
}
