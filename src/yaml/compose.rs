//! From the parser's events to trees.

use std::collections::{BTreeSet, HashMap};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

use super::{Data, MAX_DEPTH, MAX_NODES, MAX_TEXT, MAX_YAML_SIZE, Node, YamlError};

const MERGE: &str = "<<";

/// The documents of a file; empty ones are left out. An error has the line, from 1.
///
/// # Errors
/// Every [`YamlError`].
pub fn parse(bytes: &[u8]) -> Result<Vec<Node>, (usize, YamlError)> {
    if bytes.len() as u64 > MAX_YAML_SIZE {
        return Err((1, YamlError::TooLarge));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        (1 + before.iter().filter(|byte| **byte == b'\n').count(), YamlError::NotText)
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut composer = Composer::new(text);
    composer.documents().map_err(|error| (composer.line, error))
}

struct Composer<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// Where we are.
    line: usize,
    anchors: HashMap<usize, (Node, Cost)>,
    spent: Cost,
}

/// What a value costs: nodes, and bytes of text.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    nodes: usize,
    text: usize,
}

impl<'a> Composer<'a> {
    fn new(text: &'a str) -> Composer<'a> {
        let parser = Parser::new_from_str(text);
        Composer { parser, line: 1, anchors: HashMap::new(), spent: Cost::default() }
    }

    fn next(&mut self) -> Result<Event<'a>, YamlError> {
        match self.parser.next_event() {
            Some(Ok((event, Span { start, .. }))) => {
                self.line = start.line().max(1);
                Ok(event)
            }
            Some(Err(error)) => {
                self.line = error.marker().line().max(1);
                Err(YamlError::Syntax(error.info().chars().take(200).collect()))
            }
            None => Ok(Event::StreamEnd),
        }
    }

    fn documents(&mut self) -> Result<Vec<Node>, YamlError> {
        let mut documents = Vec::new();
        loop {
            match self.next()? {
                Event::StreamEnd => return Ok(documents),
                Event::DocumentStart(_) => {
                    self.anchors.clear();
                    let event = self.next()?;
                    let node = self.node(event, 0)?;
                    documents.extend(Some(node).filter(|node| !node.is_null()));
                }
                _ => {}
            }
        }
    }

    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<Node, YamlError> {
        if depth > MAX_DEPTH {
            return Err(YamlError::TooDeep);
        }
        let (line, before) = (self.line, self.spent);
        self.spend(Cost { nodes: 1, text: 0 })?;
        let (data, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.spend(Cost { nodes: 0, text: text.len() })?;
                let is_text = check(tag.as_deref())?;
                let plain = style == ScalarStyle::Plain && !is_text;
                (Data::Scalar { text: text.into_owned(), plain }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                check(tag.as_deref())?;
                (self.list(depth)?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                check(tag.as_deref())?;
                (self.map(depth)?, anchor)
            }
            Event::Alias(id) => return self.alias(id, line),
            _ => return Err(YamlError::Syntax("a value is missing".to_owned())),
        };
        let node = Node { line, data };
        if anchor > 0 {
            // Kept a second time, and paid for a second time.
            let cost = self.spent.since(before);
            self.spend(cost)?;
            self.anchors.insert(anchor, (node.clone(), cost));
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, line: usize) -> Result<Node, YamlError> {
        let unknown = || YamlError::Syntax("an alias stands for something around it".to_owned());
        let cost = self.anchors.get(&id).ok_or_else(unknown)?.1;
        self.spend(cost)?;
        let (node, _) = self.anchors.get(&id).ok_or_else(unknown)?;
        Ok(Node { line, data: node.data.clone() })
    }

    fn list(&mut self, depth: usize) -> Result<Data, YamlError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Data::List(items)),
                event => items.push(self.node(event, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Data, YamlError> {
        let (mut entries, mut seen, mut merged) = (Vec::new(), BTreeSet::new(), Vec::new());
        loop {
            let event = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let line = self.line;
            let Data::Scalar { text: key, plain } = self.node(event, depth + 1)?.data else {
                return Err(YamlError::Key);
            };
            let is_merge = plain && key == MERGE;
            let event = self.next()?;
            let mut value = self.node(event, depth + 1)?;
            // An empty value begins where the next thing does.
            if value.is_null() {
                value.line = line;
            }
            if !seen.insert(key.clone()) {
                self.line = line;
                return Err(YamlError::Duplicate(key.chars().take(100).collect()));
            }
            match is_merge {
                true => merged.extend(sources(value)?),
                false => entries.push((key, value)),
            }
        }
        // What is written here counts more than what is merged, and earlier maps more than later.
        for (key, value) in merged {
            if seen.insert(key.clone()) {
                entries.push((key, value));
            }
        }
        Ok(Data::Map(entries))
    }

    fn spend(&mut self, cost: Cost) -> Result<(), YamlError> {
        self.spent.nodes += cost.nodes;
        self.spent.text += cost.text;
        match self.spent.nodes > MAX_NODES || self.spent.text > MAX_TEXT {
            true => Err(YamlError::TooMany),
            false => Ok(()),
        }
    }
}

impl Cost {
    fn since(self, before: Cost) -> Cost {
        Cost { nodes: self.nodes - before.nodes, text: self.text - before.text }
    }
}

/// The entries of the maps that a merge key is followed by.
fn sources(value: Node) -> Result<Vec<(String, Node)>, YamlError> {
    match value.data {
        Data::Map(entries) => Ok(entries),
        Data::List(items) => {
            let mut all = Vec::new();
            for item in items {
                let Data::Map(entries) = item.data else { return Err(YamlError::Merge) };
                all.extend(entries);
            }
            Ok(all)
        }
        Data::Scalar { .. } => Err(YamlError::Merge),
    }
}

/// Tags of the core schema change nothing, but for `!!str`, which makes a text of anything: true.
fn check(tag: Option<&Tag>) -> Result<bool, YamlError> {
    const CORE: [&str; 7] = ["str", "int", "float", "bool", "null", "map", "seq"];
    match tag {
        None => Ok(false),
        Some(tag) if tag.is_yaml_core_schema() && CORE.contains(&tag.suffix.as_str()) => {
            Ok(tag.suffix == "str")
        }
        Some(tag) => {
            let text = format!("{}{}", tag.handle, tag.suffix);
            Err(YamlError::Tag(text.chars().take(100).collect()))
        }
    }
}
