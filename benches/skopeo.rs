//! gapferry beside skopeo: the same images out of one registry and into another.
//!
//! `cargo bench --bench skopeo [-- OPTIONS]` prints a table; `docs/benchmark.md` explains it.
//!
//! | option | |
//! |---|---|
//! | `--dir DIR` | where images, bundles and registries lie (or `GAPFERRY_BENCH_DIR`) |
//! | `--images N` | how many images (8) |
//! | `--rounds N` | how many rounds (5) |
//! | `--quick` | two small images, one round: does it work at all? |

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::corpus::Corpus;
use support::measure::{Cost, run};
use support::registry::Registry;

const GAPFERRY: &str = env!("CARGO_BIN_EXE_gapferry");
const SKOPEO: &str = "skopeo";
const MIB: f64 = 1024.0 * 1024.0;

struct Options {
    directory: PathBuf,
    images: usize,
    rounds: usize,
    quick: bool,
}

impl Options {
    fn read() -> Options {
        let directory = std::env::var_os("GAPFERRY_BENCH_DIR")
            .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench"), PathBuf::from);
        let mut options = Options { directory, images: 8, rounds: 5, quick: false };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} of what?"));
            match argument.as_str() {
                "--dir" => options.directory = value().into(),
                "--images" => options.images = value().parse().expect("a number of images"),
                "--rounds" => options.rounds = value().parse().expect("a number of rounds"),
                "--quick" => (options.quick, options.images, options.rounds) = (true, 2, 1),
                // Cargo's own.
                "--bench" => {}
                other => panic!("unknown option {other}"),
            }
        }
        assert!(options.images > 0 && options.rounds > 0, "nothing to do");
        options
    }
}

impl Cost {
    /// This, and then that: times add up, peaks do not.
    fn and(self, other: Cost) -> Cost {
        Cost {
            wall: self.wall + other.wall,
            processor: self.processor + other.processor,
            memory: self.memory.max(other.memory),
            written: self.written + other.written,
        }
    }
}

/// A phase by its name, and what it cost in a round.
type Phase = (&'static str, fn(&Round) -> Cost);

/// What the phases of one round cost.
#[derive(Clone, Copy, Default)]
struct Round {
    export: Cost,
    import: Cost,
    verify: Cost,
}

struct Bench {
    corpus: Corpus,
    directory: PathBuf,
    /// The registry that holds the images.
    from: Registry,
}

impl Bench {
    fn start(options: &Options) -> Bench {
        let directory = options.directory.clone();
        std::fs::create_dir_all(&directory).unwrap();
        let shrink = if options.quick { 16 } else { 1 };
        let corpus_at = directory.join(format!("corpus-{}-{shrink}", options.images));
        let corpus = Corpus::get(&corpus_at, options.images, shrink);
        for old in ["bundle", "layout", "to"] {
            std::fs::remove_dir_all(directory.join(old)).ok();
        }
        for key in ["key", "key.pub"] {
            std::fs::remove_file(directory.join(key)).ok();
        }
        let from = Registry::start(&directory.join("from"));
        let bench = Bench { corpus, directory, from };
        run(&bench.directory, GAPFERRY, &["key", "new", "-o", &bench.path("key")]);
        let layout = bench.corpus.path.display().to_string();
        bench.skopeo(&layout, &bench.from, true);
        bench
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    /// An empty registry.
    fn to(&self) -> Registry {
        Registry::start(&self.directory.join("to"))
    }

    /// Copies every image between a layout and a registry.
    fn skopeo(&self, layout: &str, registry: &Registry, push: bool) -> Cost {
        let copy = |cost: Cost, name: &String| {
            let inside = format!("oci:{layout}:{name}");
            let outside = format!("docker://{}/bench/{name}:1", registry.host());
            let (from, to) = if push { (inside, outside) } else { (outside, inside) };
            let side = if push { "--dest-tls-verify=false" } else { "--src-tls-verify=false" };
            let arguments = ["--insecure-policy", "copy", "--quiet", "--all", side, &from, &to];
            cost.and(run(&self.directory, SKOPEO, &arguments))
        };
        self.corpus.names.iter().fold(Cost::default(), copy)
    }

    fn gapferry(&self, arguments: &[&str]) -> Cost {
        run(&self.directory, GAPFERRY, arguments)
    }

    fn gapferry_round(&self) -> Round {
        let (bundle, key) = (self.path("bundle"), self.path("key"));
        let (trust, state) = (self.path("key.pub"), self.path("state"));
        let name = |name: &String| format!("{}/bench/{name}:1", self.from.host());
        let names: Vec<String> = self.corpus.names.iter().map(name).collect();
        let mut arguments = vec!["export", "--pack", "never", "-o", &bundle, "--key", &key];
        arguments.extend(names.iter().map(String::as_str));
        let export = self.gapferry(&arguments);
        let verify = self.gapferry(&["verify", &bundle, "--trust", &trust, "--state", &state]);
        let to = self.to();
        let place = format!("docker://{}", to.host());
        let words = ["import", &bundle, "--trust", &trust, "--to", &place, "--state", &state];
        let import = self.gapferry(&words);
        std::fs::remove_dir_all(&bundle).unwrap();
        Round { export, import, verify }
    }

    fn skopeo_round(&self) -> Round {
        let layout = self.path("layout");
        let export = self.skopeo(&layout, &self.from, false);
        let import = self.skopeo(&layout, &self.to(), true);
        std::fs::remove_dir_all(&layout).unwrap();
        Round { export, import, verify: Cost::default() }
    }
}

fn main() {
    let options = Options::read();
    let bench = Bench::start(&options);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for number in 0..options.rounds {
        // By turns, so that nobody always comes second.
        if number % 2 == 0 {
            ours.push(bench.gapferry_round());
            theirs.push(bench.skopeo_round());
        } else {
            theirs.push(bench.skopeo_round());
            ours.push(bench.gapferry_round());
        }
        println!("round {}: {}", number + 1, told(ours.last(), theirs.last()));
    }
    println!("\n{}", machine());
    let (images, bytes) = (options.images, bench.corpus.bytes as f64 / MIB);
    println!("{images} images, {bytes:.0} MiB; medians of {} rounds\n", options.rounds);
    table(&ours, &theirs);
    let verify = median(&ours, |round| round.verify);
    println!("\ngapferry verify alone: {:.0} MiB/s", bytes / verify.wall);
}

/// A round in one line, so that one sees how much the machine is at one with itself.
fn told(ours: Option<&Round>, theirs: Option<&Round>) -> String {
    let side = |round: Option<&Round>| {
        let Round { export, import, .. } = round.copied().unwrap_or_default();
        format!("export {:.2} s, import {:.2} s", export.wall, import.wall)
    };
    format!("gapferry {}; skopeo {}", side(ours), side(theirs))
}

fn median(rounds: &[Round], phase: impl Fn(&Round) -> Cost) -> Cost {
    Cost::median(&rounds.iter().map(phase).collect::<Vec<_>>())
}

/// Cores, model and memory; nothing that tells whose machine it is.
fn machine() -> String {
    let field = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = field("/proc/meminfo", "MemTotal");
    let kibibytes: f64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
    let version = Command::new(SKOPEO).arg("--version").output().expect("skopeo is installed");
    format!(
        "{cores} cores, {}, {:.0} GiB; {}",
        field("/proc/cpuinfo", "model name"),
        kibibytes / MIB,
        String::from_utf8_lossy(&version.stdout).trim()
    )
}

fn table(ours: &[Round], theirs: &[Round]) {
    let phases: [Phase; 3] = [
        ("export", |round| round.export),
        ("import", |round| round.import),
        ("both", |round| round.export.and(round.import)),
    ];
    println!("| phase | quantity | gapferry | skopeo | ratio |\n|---|---|---:|---:|---:|");
    for (name, phase) in phases {
        let (us, them) = (median(ours, phase), median(theirs, phase));
        let row = |quantity: &str, us: f64, them: f64| {
            let ratio = if them > 0.0 { format!("{:.2}", us / them) } else { "–".to_owned() };
            println!("| {name} | {quantity} | {us:.2} | {them:.2} | {ratio} |");
        };
        row("wall, s", us.wall, them.wall);
        row("user + sys, s", us.processor, them.processor);
        row("peak memory, MiB", us.memory / MIB, them.memory / MIB);
        row("written, MiB", us.written / MIB, them.written / MIB);
    }
}
