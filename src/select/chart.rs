//! The images that a Helm chart names, without running it.
//!
//! They are looked for in the annotations `artifacthub.io/images` and `images` of `Chart.yaml`, in
//! `images.txt`, and in `values.yaml` in the shapes that charts commonly have; in the charts below
//! `charts/` too, with the values that the outer chart sets for them. Switches such as `enabled` are
//! not looked at: what could be rendered is aboard.
//!
//! Withstands: what [`crate::source::Chart`] and [`crate::yaml`] withstand; charts within charts
//! without end. Source: Helm's "Subcharts and Global Values"; Artifact Hub's "Helm annotations".

use std::collections::BTreeMap;
use std::io::Read as _;

use super::{SelectError, Wish, WishError, parse_list};
use crate::oci::{Reference, Tag};
use crate::source::{CHART_LAYER, Chart, ChartError, Location, MAX_CHART_SIZE, MAX_PLAIN, Opener};
use crate::yaml::{self, At, Data, Node};

/// How deep charts may lie in each other.
const MAX_NESTING: usize = 8;
/// How many charts there may be in one, each counted as often as it is named.
const MAX_CHARTS: usize = 200;
/// How many images a chart may name.
const MAX_IMAGES: usize = 10_000;
const VALUES: &str = "values.yaml";
/// Layers that hold a chart: today's media type, and that of Helm before 3.7.
const LAYERS: [&str; 2] = [CHART_LAYER, "application/tar+gzip"];
const ANNOTATIONS: [&str; 2] = ["artifacthub.io/images", "images"];
/// A name without a tag in an annotation stands for itself, as in a list.
const LIST: &str = "images.txt";

/// An image, and where it stands.
type Found = (Reference, String);

/// The images that the chart at `location` names, each with its place after `why`.
///
/// # Errors
/// [`SelectError::Source`], [`SelectError::Chart`] and [`SelectError::Wish`].
pub(super) fn images(
    opener: &Opener,
    location: &Location,
    why: &str,
) -> Result<Vec<Found>, SelectError> {
    let chart = open(opener, location, why)?;
    let mut search = Search { found: Vec::new(), charts: 0, left: MAX_PLAIN };
    search.chart(&chart, &format!("{why}: {}-{}", chart.name, chart.version), None, 0)?;
    Ok(search.found)
}

fn open(opener: &Opener, location: &Location, why: &str) -> Result<Chart, SelectError> {
    let failed = |error| SelectError::Chart { why: why.to_owned(), error };
    let name = match location {
        Location::Chart { path } => return Chart::open(path).map_err(failed),
        Location::Registry(name) => name,
        _ => return Err(failed(ChartError::NoChart)),
    };
    let at_source = |error| SelectError::Source { name: name.clone(), error };
    let source = opener.open(location).map_err(at_source)?.source;
    let root = source.root().map_err(at_source)?;
    let mut layers = root.blobs().filter(|blob| LAYERS.contains(&blob.media_type.as_str()));
    let layer = layers.next().ok_or_else(|| failed(ChartError::NoChart))?;
    if layer.size > MAX_CHART_SIZE {
        return Err(failed(ChartError::TooLarge("32 MiB of archive")));
    }
    let mut bytes = Vec::new();
    let blob = source.blob(layer).map_err(at_source)?;
    let read = blob.proving().read_to_end(&mut bytes);
    read.map_err(|error| failed(ChartError::Read(error)))?;
    Chart::parse(&bytes).map_err(failed)
}

struct Search {
    found: Vec<Found>,
    /// How many charts were looked at, each as often as it is named.
    charts: usize,
    /// How many bytes archives in archives may still have.
    left: u64,
}

impl Search {
    /// `set` is what an outer chart sets among this one's values.
    fn chart(
        &mut self,
        chart: &Chart,
        place: &str,
        set: Option<&Node>,
        depth: usize,
    ) -> Result<(), SelectError> {
        let failed = |error| SelectError::Chart { why: place.to_owned(), error };
        self.charts += 1;
        if depth > MAX_NESTING || self.charts > MAX_CHARTS {
            return Err(failed(ChartError::TooLarge("charts in each other")));
        }
        self.annotations(chart, place)?;
        self.list(chart, place)?;
        let mut values = chart.yaml(VALUES).map_err(failed)?;
        if let Some(set) = set {
            values = Some(values.map_or_else(|| set.clone(), |own| laid_over(own, set)));
        }
        let parts = chart.parts(&mut self.left).map_err(failed)?;
        let dependencies = dependencies(chart, place)?;
        if let Some(name) =
            dependencies.iter().find(|it| !parts.iter().any(|(_, part)| part.name == it.name))
        {
            let why = format!(
                "the chart {} that it depends on is not in charts/: run `helm dependency build`",
                name.name
            );
            return Err(failed(ChartError::Metadata(At::root(&chart.metadata).wrong(why))));
        }
        for (at, part) in &parts {
            let keys: Vec<&str> = aliases(&dependencies, &part.name);
            for key in &keys {
                let set = values.as_ref().and_then(|values| below(values, key));
                self.chart(part, &format!("{place}: {at}"), set.as_ref(), depth + 1)?;
            }
        }
        let own = |key: &str| {
            !parts.iter().any(|(_, part)| aliases(&dependencies, &part.name).contains(&key))
        };
        match values {
            Some(values) => self.values(chart, &values, place, own),
            None => Ok(()),
        }
    }

    fn annotations(&mut self, chart: &Chart, place: &str) -> Result<(), SelectError> {
        let Some(annotations) = chart.metadata.get("annotations") else { return Ok(()) };
        for key in ANNOTATIONS {
            let Some(text) = annotations.text_of(key) else { continue };
            let why = format!("{place}: Chart.yaml: annotations[{key:?}]");
            let yaml = |(line, error)| SelectError::Yaml { file: why.clone(), line, error };
            for document in yaml::parse(text.as_bytes()).map_err(yaml)? {
                for (at, item) in document.items().iter().enumerate() {
                    if let Some(image) = item.text_of("image") {
                        self.add(image, format!("{why}[{at}]"))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn list(&mut self, chart: &Chart, place: &str) -> Result<(), SelectError> {
        let Some(bytes) = chart.files.get(LIST) else { return Ok(()) };
        for entry in parse_list(&format!("{place}: {LIST}"), bytes)? {
            match entry.wish {
                Wish::Image { name: None, location: Location::Registry(reference) } => {
                    self.push(reference, entry.why)?;
                }
                // What a stranger's chart says is a name, and never a file here.
                other => {
                    let error = WishError::Misplaced(other.to_string());
                    return Err(SelectError::Wish { why: entry.why, error });
                }
            }
        }
        Ok(())
    }

    fn values(
        &mut self,
        chart: &Chart,
        values: &Node,
        place: &str,
        own: impl Fn(&str) -> bool,
    ) -> Result<(), SelectError> {
        let global = values.get("global").and_then(|it| it.text_of("imageRegistry"));
        let look = Look { chart, place, registry: global.filter(|text| !text.is_empty()) };
        for (key, node) in values.entries().iter().filter(|(key, _)| own(key)) {
            self.value(&look, key, key, values, node)?;
        }
        Ok(())
    }

    /// A value by its key, with its path and what it stands in.
    fn value(
        &mut self,
        look: &Look,
        path: &str,
        key: &str,
        around: &Node,
        node: &Node,
    ) -> Result<(), SelectError> {
        let is_image = key.to_ascii_lowercase().ends_with("image");
        match &node.data {
            Data::Scalar { .. } => {
                if let Some(text) = node.text().filter(|text| is_image && !text.is_empty()) {
                    let tag =
                        around.text_of("tag").or_else(|| around.text_of(&format!("{key}Tag")));
                    self.add(&look.whole(text, tag), look.why(path, node))?;
                }
            }
            Data::Map(entries) => {
                if let Some(text) = look.image(node, is_image) {
                    return self.add(&text, look.why(path, node));
                }
                for (key, below) in entries {
                    self.value(look, &format!("{path}.{key}"), key, node, below)?;
                }
            }
            Data::List(items) => {
                for (at, below) in items.iter().enumerate() {
                    let path = format!("{path}[{at}]");
                    if matches!(below.data, Data::Map(_)) {
                        self.value(look, &path, "", node, below)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, text: &str, why: String) -> Result<(), SelectError> {
        match text.parse() {
            Ok(reference) => self.push(reference, why),
            Err(error) => Err(SelectError::Wish { why, error: WishError::Reference(error) }),
        }
    }

    fn push(&mut self, reference: Reference, why: String) -> Result<(), SelectError> {
        if self.found.len() >= MAX_IMAGES {
            let error = ChartError::TooLarge("10,000 images");
            return Err(SelectError::Chart { why, error });
        }
        self.found.push((reference, why));
        Ok(())
    }
}

/// What is looked at in one chart's values.
struct Look<'a> {
    chart: &'a Chart,
    place: &'a str,
    /// `global.imageRegistry`
    registry: Option<&'a str>,
}

impl Look<'_> {
    fn why(&self, path: &str, node: &Node) -> String {
        format!("{}: {VALUES}:{}: {path}", self.place, node.line)
    }

    /// The image that a map of `registry`, `repository` (or `name`), `tag` and `digest` is; `None`
    /// when it is something else.
    fn image(&self, node: &Node, is_image: bool) -> Option<String> {
        let text = |key: &str| node.text_of(key).filter(|text| !text.is_empty());
        let says_more = ["tag", "digest", "registry", "pullPolicy"]
            .iter()
            .any(|key| node.entries().iter().any(|(name, _)| name == key));
        let repository =
            text("repository").or_else(|| text("name").filter(|_| is_image && says_more))?;
        if repository.contains("://") || !(is_image || says_more) {
            return None;
        }
        let registry = self.registry.or_else(|| text("registry"));
        let name = match registry {
            Some(registry) => format!("{}/{repository}", registry.trim_end_matches('/')),
            None => repository.to_owned(),
        };
        Some(match text("digest").or_else(|| text("sha")) {
            Some(digest) if digest.contains(':') => format!("{name}@{digest}"),
            Some(digest) => format!("{name}@sha256:{digest}"),
            None => self.whole(&name, text("tag")),
        })
    }

    /// A name with its tag; without one it is the version of what the chart brings.
    fn whole(&self, name: &str, tag: Option<&str>) -> String {
        let last = name.rsplit('/').next().unwrap_or(name);
        let version = self.chart.app_version.as_deref().filter(|text| text.parse::<Tag>().is_ok());
        match tag.or(version) {
            _ if last.contains([':', '@']) => name.to_owned(),
            Some(tag) => format!("{name}:{tag}"),
            None => name.to_owned(),
        }
    }
}

struct Dependency<'a> {
    name: &'a str,
    /// The key of its values.
    key: &'a str,
}

fn dependencies<'a>(chart: &'a Chart, place: &str) -> Result<Vec<Dependency<'a>>, SelectError> {
    let read = || {
        let mut found = Vec::new();
        for at in At::root(&chart.metadata).list_of("dependencies")? {
            let name = at.need_text("name")?;
            found.push(Dependency { name, key: at.text_of("alias")?.unwrap_or(name) });
        }
        Ok(found)
    };
    read().map_err(|error| SelectError::Chart {
        why: place.to_owned(),
        error: ChartError::Metadata(error),
    })
}

/// The keys under which an outer chart sets values of the chart `name`.
fn aliases<'a>(dependencies: &[Dependency<'a>], name: &'a str) -> Vec<&'a str> {
    let named = dependencies.iter().filter(|it| it.name == name).map(|it| it.key);
    let keys: Vec<&str> = named.collect();
    if keys.is_empty() { vec![name] } else { keys }
}

/// The values that are set for a chart below: its own section, and what is global.
fn below(values: &Node, key: &str) -> Option<Node> {
    let section = values.get(key).cloned();
    let Some(global) = values.get("global").cloned() else { return section };
    let line = global.line;
    let global = Node { line, data: Data::Map(vec![("global".to_owned(), global)]) };
    Some(section.map_or_else(|| global.clone(), |section| laid_over(section, &global)))
}

/// `own` with the values of `over`, map by map.
fn laid_over(own: Node, over: &Node) -> Node {
    match (own.data, &over.data) {
        (Data::Map(entries), Data::Map(more)) => {
            let mut over: BTreeMap<&str, &Node> =
                more.iter().map(|(key, value)| (key.as_str(), value)).collect();
            let lay = |(key, own): (String, Node)| match over.remove(key.as_str()) {
                Some(value) => (key, laid_over(own, value)),
                None => (key, own),
            };
            let mut entries: Vec<(String, Node)> = entries.into_iter().map(lay).collect();
            let new = more.iter().filter(|(key, _)| over.contains_key(key.as_str()));
            entries.extend(new.cloned());
            Node { line: own.line, data: Data::Map(entries) }
        }
        _ => over.clone(),
    }
}
