//! Where images go, and what they are called there: the options of `import` and `mirrors`.

use std::path::PathBuf;

use clap::Args;

use super::failure::{Exit, Failure};
use super::input;
use super::targets::To;
use crate::import::{Affix, Base, MAX_RULES_SIZE, Mapping, Rule, RuleFile};

/// What images are called at the target.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Names at the target")]
pub struct MappingArgs {
    /// Put this path in front of every repository at the registry
    #[arg(long, value_name = "PATH")]
    pub prefix: Option<String>,
    /// Names that begin with FROM begin with TO at the target (repeatable; the longest FROM counts)
    #[arg(long, value_name = "FROM=TO")]
    pub map: Vec<Rule>,
    /// Names (host and path) that REGEX fits from end to end become TO, with its groups as $1 or
    /// ${name} (repeatable; the first that fits counts, before all --map)
    #[arg(long, value_name = "REGEX=TO", value_parser = Rule::parse_pattern)]
    pub map_regex: Vec<Rule>,
    /// Rules in a file, after those of the command line (TOML: docs/guides/mirrors.md)
    #[arg(long, value_name = "FILE")]
    pub map_file: Option<PathBuf>,
    /// Where no rule fits, keep the host that an image came from as the first part of its path
    #[arg(long)]
    pub keep_host: bool,
    /// Put this before every tag
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub tag_prefix: Option<String>,
    /// Put this behind every tag
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub tag_suffix: Option<String>,
}

impl MappingArgs {
    /// How names become names at `to`.
    ///
    /// # Errors
    /// When the file of rules cannot be read, or names cannot change so in a layout.
    pub fn mapping(&self, to: &To) -> Result<Mapping, Failure> {
        let file = self.file()?;
        let keep_host = self.keep_host || file.keep_host;
        let base = match to.registry() {
            None if self.prefix.is_some() || keep_host => {
                let message =
                    "--prefix and --keep-host are for registries; names stay whole elsewhere";
                return Err(Failure::new(Exit::Usage, "usage", message).hint("use --map FROM=TO"));
            }
            None => Base::Layout,
            Some(host) => Base::Registry { host: host.to_owned(), prefix: self.whole_prefix(to) },
        };
        let own = self.map_regex.iter().chain(&self.map).cloned();
        let mapping = Mapping::new(base, own.chain(file.rules).collect());
        let affix = self.affix().or(file.affix).unwrap_or_default();
        Ok(mapping.keeping_hosts(keep_host).with_affix(affix))
    }

    /// The path in the target and the one of `--prefix`.
    pub fn whole_prefix(&self, to: &To) -> String {
        let of_target = match to {
            To::Registry { prefix, .. } => prefix.as_str(),
            _ => "",
        };
        let more = self.prefix.as_deref().unwrap_or("").trim_matches('/');
        [of_target, more].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join("/")
    }

    fn affix(&self) -> Option<Affix> {
        let of = |text: &Option<String>| text.clone().unwrap_or_default();
        let given = self.tag_prefix.is_some() || self.tag_suffix.is_some();
        given.then(|| Affix { prefix: of(&self.tag_prefix), suffix: of(&self.tag_suffix) })
    }

    fn file(&self) -> Result<RuleFile, Failure> {
        let Some(path) = &self.map_file else { return Ok(RuleFile::default()) };
        let bytes = input::read(path, MAX_RULES_SIZE)?;
        RuleFile::parse(&bytes).map_err(|error| Failure::from(error).at(path.display()))
    }
}
