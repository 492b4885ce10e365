//! Lists of images that other tools know, one file a kind.
//!
//! Each reader takes a YAML document and gives [`ListEntry`]s, and refuses by name what it does not
//! take: nothing that somebody asked for is passed over in silence, but for what
//! `docs/guides/selecting.md` lists. Nothing is run, no variable of the environment is read.
//!
//! Withstands: what [`crate::yaml`] withstands; files that name each other in circles.

mod compose;
mod detect;
mod hauler;
mod imgpkg;
mod kubernetes;
mod kustomize;
mod oc_mirror;
mod skopeo;
#[cfg(test)]
mod tests;
mod zarf;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{Asked, Filter, ListEntry, SelectError, Wish, WishError, parse_list};
use crate::files::{self, FileError};
use crate::oci::Reference;
use crate::source::Location;
use crate::yaml::{self, At, MAX_YAML_SIZE, Node, Shape};
use detect::{is_yaml, kind_of};

/// The largest list file of any kind, in bytes.
pub const MAX_FILE_SIZE: u64 = MAX_YAML_SIZE;
/// Names of a kustomization, in Kustomize's order.
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// What kind of list a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An image a line.
    List,
    /// skopeo's YAML for `skopeo sync`.
    Skopeo,
    /// oc-mirror's ImageSetConfiguration.
    OcMirror,
    /// Hauler's manifests.
    Hauler,
    /// A Zarf package.
    Zarf,
    /// imgpkg's ImagesLock.
    Imgpkg,
    /// Kubernetes manifests.
    Kubernetes,
    /// A kustomization.
    Kustomize,
    /// A compose file.
    Compose,
    /// A Helm chart.
    Chart,
}

/// Kinds with the words that name them before a file.
const KINDS: [(&str, Kind); 10] = [
    ("list", Kind::List),
    ("skopeo", Kind::Skopeo),
    ("oc-mirror", Kind::OcMirror),
    ("hauler", Kind::Hauler),
    ("zarf", Kind::Zarf),
    ("imgpkg", Kind::Imgpkg),
    ("kubernetes", Kind::Kubernetes),
    ("kustomize", Kind::Kustomize),
    ("compose", Kind::Compose),
    ("chart", Kind::Chart),
];

/// A file with images, and its kind if that is said: `[KIND:]FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListFile {
    /// The kind, if it is not to be found out.
    pub kind: Option<Kind>,
    /// The file, or a directory with a chart or a kustomization.
    pub path: PathBuf,
}

/// What a file asks for.
#[derive(Debug, Clone, Default)]
pub struct List {
    /// Images, patterns and charts, in the order of the file.
    pub entries: Vec<ListEntry>,
    /// What is not to travel, though the file asks for it.
    pub blocked: Vec<Blocked>,
}

/// Images that are not to travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    name: Reference,
    /// Every tag of the repository.
    whole: bool,
}

impl Blocked {
    /// The images that `text` names; without tag and digest, all of the repository.
    ///
    /// # Errors
    /// [`WishError::Reference`].
    pub fn new(text: &str) -> Result<Blocked, WishError> {
        let name: Reference = text.parse()?;
        let last = text.rsplit('/').next().unwrap_or(text);
        Ok(Blocked { name, whole: !last.contains([':', '@']) })
    }

    /// True when the image at `location` is one of them.
    pub fn blocks(&self, location: &Location) -> bool {
        let Location::Registry(found) = location else { return false };
        found.repository == self.name.repository && (self.whole || *found == self.name)
    }
}

impl List {
    /// True when the file says that this image is not to travel.
    pub fn blocks(&self, asked: &Asked) -> bool {
        self.blocked.iter().any(|blocked| blocked.blocks(&asked.location))
    }
}

impl ListFile {
    /// The file at `path`, of whatever kind it is.
    pub fn new(path: impl Into<PathBuf>) -> ListFile {
        ListFile { kind: None, path: path.into() }
    }
}

impl FromStr for ListFile {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<ListFile, Self::Err> {
        let said = text.split_once(':').and_then(|(word, path)| {
            let kind = KINDS.iter().find(|(name, _)| *name == word)?.1;
            Some(ListFile { kind: Some(kind), path: path.into() })
        });
        Ok(said.unwrap_or_else(|| ListFile::new(text)))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = KINDS.iter().find(|(_, kind)| kind == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

/// Reads a file that asks for images. `bytes` is its content; none for a directory.
///
/// # Errors
/// [`SelectError::List`], [`SelectError::Yaml`], [`SelectError::Format`], [`SelectError::Wish`],
/// [`SelectError::UnknownKind`], [`SelectError::Nothing`] and [`SelectError::File`].
pub fn read(file: &ListFile, bytes: Option<&[u8]>) -> Result<List, SelectError> {
    let name = file.path.to_string_lossy().into_owned();
    let Some(bytes) = bytes else { return directory(file, &name) };
    let kind = match file.kind {
        None if bytes.starts_with(&[0x1f, 0x8b]) => Some(Kind::Chart),
        None if !is_yaml(bytes) => Some(Kind::List),
        kind => kind,
    };
    match kind {
        Some(Kind::Chart) => Ok(chart(&file.path, name)),
        Some(Kind::List) => Ok(List { entries: parse_list(&name, bytes)?, blocked: Vec::new() }),
        kind => {
            let mut reader = Reader::new(&file.path);
            reader.documents(bytes, kind)?;
            match reader.list.entries.is_empty() {
                true => Err(SelectError::Nothing { file: name }),
                false => Ok(reader.list),
            }
        }
    }
}

fn directory(file: &ListFile, name: &str) -> Result<List, SelectError> {
    let is_chart = file.path.join("Chart.yaml").is_file();
    if file.kind == Some(Kind::Chart) || (file.kind.is_none() && is_chart) {
        return Ok(chart(&file.path, name.to_owned()));
    }
    let found = KUSTOMIZATIONS.iter().map(|name| file.path.join(name)).find(|path| path.is_file());
    match found {
        Some(path) if file.kind.is_none_or(|kind| kind == Kind::Kustomize) => {
            let bytes = files::read_capped(&path, MAX_FILE_SIZE).map_err(SelectError::File)?;
            read(&ListFile { kind: Some(Kind::Kustomize), path }, Some(&bytes))
        }
        _ => Err(SelectError::UnknownKind {
            file: name.to_owned(),
            line: 1,
            what: "a directory with neither Chart.yaml nor kustomization.yaml".to_owned(),
        }),
    }
}

fn chart(path: &Path, why: String) -> List {
    let location = Location::Chart { path: path.to_owned() };
    let wish = Wish::Chart { name: None, location, images: true };
    List { entries: vec![ListEntry { wish, why }], blocked: Vec::new() }
}

/// A file being read.
struct Reader {
    /// Its name, for messages.
    file: String,
    /// What paths in it are relative to.
    base: PathBuf,
    list: List,
}

/// Why a document is refused.
enum Refusal {
    Shape(Shape),
    Select(Box<SelectError>),
}

impl From<Shape> for Refusal {
    fn from(shape: Shape) -> Refusal {
        Refusal::Shape(shape)
    }
}

impl From<SelectError> for Refusal {
    fn from(error: SelectError) -> Refusal {
        Refusal::Select(Box::new(error))
    }
}

impl Reader {
    fn new(path: &Path) -> Reader {
        let file = path.to_string_lossy().into_owned();
        let list = List::default();
        Reader { file, base: files::parent(path), list }
    }

    fn documents(&mut self, bytes: &[u8], kind: Option<Kind>) -> Result<(), SelectError> {
        for document in parse(&self.file, bytes)? {
            let at = At::root(&document);
            let known = kind.or_else(|| kind_of(&document, &self.file));
            let kind = known.ok_or_else(|| self.unknown(&document))?;
            self.document(kind, &at).map_err(|refusal| match refusal {
                Refusal::Select(error) => *error,
                Refusal::Shape(error) => SelectError::Format { file: self.file.clone(), error },
            })?;
        }
        Ok(())
    }

    fn document(&mut self, kind: Kind, at: &At) -> Result<(), Refusal> {
        match kind {
            Kind::Skopeo => skopeo::read(self, at),
            Kind::OcMirror => oc_mirror::read(self, at),
            Kind::Hauler => hauler::read(self, at),
            Kind::Zarf => zarf::read(self, at),
            Kind::Imgpkg => imgpkg::read(self, at),
            Kind::Kubernetes => kubernetes::read(self, at),
            Kind::Kustomize => kustomize::read(self, at),
            Kind::Compose => compose::read(self, at),
            Kind::List | Kind::Chart => Err(at.wrong("this kind is no YAML").into()),
        }
    }

    fn unknown(&self, document: &Node) -> SelectError {
        let keys: Vec<&str> =
            document.entries().iter().take(5).map(|(key, _)| key.as_str()).collect();
        let what = match keys.is_empty() {
            true => "a document that is no map".to_owned(),
            false => format!("a document with the keys {}", keys.join(", ")),
        };
        SelectError::UnknownKind { file: self.file.clone(), line: document.line, what }
    }

    /// `FILE:LINE: path.to.value`
    fn why(&self, at: &At) -> String {
        format!("{}:{}: {at}", self.file, at.line())
    }

    fn add(&mut self, at: &At, wish: Result<Wish, WishError>) -> Result<(), Refusal> {
        let why = self.why(at);
        match wish {
            Ok(wish) => self.list.entries.push(ListEntry { wish, why }),
            Err(error) => return Err(SelectError::Wish { why, error }.into()),
        }
        Ok(())
    }

    /// An image by its reference.
    fn image(&mut self, at: &At, text: &str) -> Result<(), Refusal> {
        self.add(at, Wish::reference(text))
    }

    /// Tags of a repository.
    fn tags(
        &mut self,
        at: &At,
        repository: &str,
        filter: Filter,
        as_written: &str,
    ) -> Result<(), Refusal> {
        self.add(at, Wish::tags(repository, filter, &format!("{repository}:{as_written}")))
    }

    /// A chart of a repository: `oci://…`, a path, or refused.
    fn chart(&mut self, at: &At, chart: Wanted) -> Result<(), Refusal> {
        let Wanted { name, place, version, images } = chart;
        let location = match (place.strip_prefix("oci://"), place.contains("://")) {
            (Some(place), _) => {
                let version = version.ok_or_else(|| at.wrong("a version is wanted"))?;
                let place = place.trim_end_matches('/');
                let text = match name {
                    Some(name) => format!("{place}/{name}:{}", version.replace('+', "_")),
                    None => format!("{place}:{}", version.replace('+', "_")),
                };
                text.parse().map(Location::Registry).map_err(WishError::from)
            }
            (None, true) => {
                let name = name.unwrap_or("the chart");
                let why = format!(
                    "{name} is in a chart repository, which gapferry does not read: \
                     fetch it with `helm pull`, and name the file as chart:FILE"
                );
                return Err(at.wrong(why).into());
            }
            (None, false) => Ok(Location::Chart { path: self.base.join(place) }),
        };
        self.add(at, location.map(|location| Wish::Chart { name: None, location, images }))
    }
}

/// A chart that a document asks for.
struct Wanted<'a> {
    /// Its name below `place`, if it is not the end of that.
    name: Option<&'a str>,
    place: &'a str,
    version: Option<&'a str>,
    /// Whether the images that it names are asked for too.
    images: bool,
}

fn parse(file: &str, bytes: &[u8]) -> Result<Vec<Node>, SelectError> {
    yaml::parse(bytes).map_err(|(line, error)| SelectError::Yaml {
        file: file.to_owned(),
        line,
        error,
    })
}

/// Reads a further file that a file names.
fn open(path: &Path) -> Result<Vec<u8>, SelectError> {
    let read = || {
        let real = std::fs::canonicalize(path).map_err(|e| FileError::io("open", path, e))?;
        files::read_capped(&real, MAX_FILE_SIZE)
    };
    read().map_err(SelectError::File)
}
