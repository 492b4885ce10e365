//! containerd as a target, by way of its own tool: an archive is sent to `ctr images import`.
//!
//! containerd keeps content by digest, and makes images only when it has read the list at the
//! archive's end; so nothing is seen before all of it is there, and what an import that was killed sent
//! is collected as garbage. What goes down the pipe is proven before. Layers are unpacked when they
//! are first used. Source: containerd 1.6 and 2, `ctr images import --help`.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::archive::ArchiveTarget;
use super::{Target, TargetError};
use crate::oci::Digest;

/// The most bytes that are read of what `ctr` says.
const MAX_SAID: u64 = 4 * 1024 * 1024;
/// The most characters that are shown of it.
const SHOWN: usize = 500;

/// How containerd is reached.
#[derive(Debug, Clone)]
pub struct Ctr {
    /// The tool: `ctr`, or where it is.
    pub program: PathBuf,
    /// Its socket; `None` for the tool's own default.
    pub address: Option<PathBuf>,
    /// Its namespace, such as `k8s.io`.
    pub namespace: String,
}

/// An import into containerd that is under way.
pub struct CtrTarget {
    ctr: Ctr,
    child: Child,
    archive: ArchiveTarget,
}

impl Ctr {
    /// Starts the import.
    ///
    /// # Errors
    /// [`TargetError::Program`] when the tool cannot be run.
    pub fn start(self) -> Result<CtrTarget, TargetError> {
        let mut command =
            self.command(&["images", "import", "--all-platforms", "--no-unpack", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| self.failed(&error.to_string()))?;
        let pipe = child.stdin.take().ok_or_else(|| self.failed("it has no input"))?;
        let archive = ArchiveTarget::stream(Box::new(pipe), Path::new("ctr"));
        Ok(CtrTarget { ctr: self, child, archive })
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(address) = &self.address {
            command.arg("--address").arg(address);
        }
        command.args(["--namespace", &self.namespace]).args(words);
        command
    }

    /// The images that containerd has, by name.
    fn images(&self) -> Result<BTreeMap<String, Digest>, TargetError> {
        let output = self.command(&["images", "ls"]).stdin(Stdio::null()).output();
        let output = output.map_err(|error| self.failed(&error.to_string()))?;
        if !output.status.success() {
            return Err(self.failed(&String::from_utf8_lossy(&output.stderr)));
        }
        Ok(listed(&String::from_utf8_lossy(&output.stdout)))
    }

    fn failed(&self, why: &str) -> TargetError {
        let why = why.trim().chars().take(SHOWN).collect();
        TargetError::Program { program: self.program.clone(), why }
    }
}

/// Reads the table of `ctr images ls`: name, media type, digest, and more.
fn listed(table: &str) -> BTreeMap<String, Digest> {
    let image = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        Some((name, words.nth(1)?.parse().ok()?))
    };
    table.lines().filter_map(image).collect()
}

impl CtrTarget {
    /// The target to import to.
    pub fn target(&self) -> &dyn Target {
        &self.archive
    }

    /// Ends the archive, waits for the tool, and asks containerd for every image.
    ///
    /// # Errors
    /// [`TargetError::Program`] when the tool failed, or containerd has other images.
    pub fn finish(self) -> Result<(), TargetError> {
        let CtrTarget { ctr, mut child, archive } = self;
        let names = archive.names();
        // Whatever breaks the pipe, the tool knows better why.
        let sent = archive.finish();
        ended(&ctr, &mut child)?;
        sent.map_err(TargetError::File)?;
        let there = ctr.images()?;
        match names.iter().find(|(name, digest)| there.get(*name) != Some(*digest)) {
            Some((name, digest)) => Err(ctr.failed(&format!("{name} is not {digest} there"))),
            None => Ok(()),
        }
    }

    /// Gives the import up: the tool never comes to the end of the archive. Its own words where it was
    /// the tool that gave up.
    pub fn discard(mut self) -> Option<TargetError> {
        if self.archive.is_broken() {
            return ended(&self.ctr, &mut self.child).err();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        None
    }
}

/// Waits for the tool, and hears what it says when it fails.
fn ended(ctr: &Ctr, child: &mut Child) -> Result<(), TargetError> {
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        let _ = stderr.take(MAX_SAID).read_to_string(&mut said);
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(ctr.failed(&said)),
        Err(error) => Err(ctr.failed(&error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_images_is_read() {
        let digest = Digest::of(b"x");
        let table = format!(
            "REF TYPE DIGEST SIZE PLATFORMS LABELS\na/b:1 application/x {digest} 1 MiB linux/amd64 -\nodd\n"
        );
        assert_eq!(listed(&table), BTreeMap::from([("a/b:1".to_owned(), digest)]));
    }

    #[test]
    fn a_tool_that_is_not_there_is_named() {
        let ctr = Ctr { program: "/no/ctr".into(), address: None, namespace: "x".to_owned() };
        let Err(TargetError::Program { program, .. }) = ctr.start().map(|_| ()) else {
            panic!("it was started");
        };
        assert_eq!(program, Path::new("/no/ctr"));
    }
}
