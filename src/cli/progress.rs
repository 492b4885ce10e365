//! Progress on standard error: bars on a terminal, lines in a log, or nothing.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use std::time::Duration;

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

use super::args::{OutputArgs, ProgressMode};
use super::output::{bytes, escaped};
use crate::report::{Event, Progress, Silent};

/// How often a bar is drawn anew though nothing moves.
const TICK: Duration = Duration::from_millis(200);

/// Whoever shows progress in the way that was asked for; `terminal` says whether standard error
/// is one.
pub fn choose(args: &OutputArgs, terminal: bool) -> Box<dyn Progress> {
    let verbose = args.verbose;
    match args.progress {
        _ if args.quiet => Box::new(Silent),
        ProgressMode::Auto if terminal => Box::new(Bars { bar: Mutex::new(None), verbose }),
        ProgressMode::Plain => Box::new(Lines::new(io::stderr(), true, verbose)),
        ProgressMode::Auto | ProgressMode::None => {
            Box::new(Lines::new(io::stderr(), false, verbose))
        }
    }
}

/// What to say of an event; warnings always, the rest only when asked to say more.
fn line(event: &Event, verbose: bool) -> Option<String> {
    let text = match event {
        Event::Warning { host, text } => return Some(escaped(&format!("warning: {host}: {text}"))),
        Event::Doubt { what } => return Some(escaped(&format!("warning: {what}"))),
        Event::Retry { host, why, wait_ms } => format!("{host}: {why}; next try in {wait_ms} ms"),
        Event::Done { what } => what.clone(),
    };
    verbose.then(|| escaped(&text))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a thread that panicked left behind is still good enough to show.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A bar that is drawn again and again.
struct Bars {
    bar: Mutex<Option<ProgressBar>>,
    verbose: bool,
}

impl Progress for Bars {
    fn begin(&self, phase: &str, total: u64) {
        const BAR: &str =
            "{msg:12} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}";
        // Nobody knows how much it will be.
        const SPINNER: &str = "{msg:12} {spinner} {elapsed}";
        let template = if total == 0 { SPINNER } else { BAR };
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(total)
            .with_style(style)
            .with_message(escaped(phase))
            .with_finish(ProgressFinish::AndClear);
        bar.enable_steady_tick(TICK);
        *lock(&self.bar) = Some(bar);
    }

    fn advance(&self, bytes: u64) {
        if let Some(bar) = &*lock(&self.bar) {
            bar.inc(bytes);
        }
    }

    fn end(&self) {
        if let Some(bar) = lock(&self.bar).take() {
            bar.finish_and_clear();
        }
    }

    fn event(&self, event: Event) {
        let Some(text) = line(&event, self.verbose) else { return };
        let say = || {
            // Nobody may listen; that is no failure of the work.
            let _ = writeln!(io::stderr(), "{text}");
        };
        match &*lock(&self.bar) {
            Some(bar) => bar.suspend(say),
            None => say(),
        }
    }
}

/// Lines: with `phases`, one for every tenth of a phase.
struct Lines<W> {
    phases: bool,
    verbose: bool,
    state: Mutex<State<W>>,
}

struct State<W> {
    out: W,
    phase: String,
    total: u64,
    done: u64,
    tenth: u64,
}

impl<W: Write + Send> Lines<W> {
    fn new(out: W, phases: bool, verbose: bool) -> Lines<W> {
        let state = State { out, phase: String::new(), total: 0, done: 0, tenth: 0 };
        Lines { phases, verbose, state: Mutex::new(state) }
    }
}

impl<W: Write> State<W> {
    fn say(&mut self, text: &str) {
        // Nobody may listen; that is no failure of the work.
        let _ = writeln!(self.out, "{text}");
    }
}

impl<W: Write + Send> Progress for Lines<W> {
    fn begin(&self, phase: &str, total: u64) {
        let mut state = lock(&self.state);
        (state.phase, state.total, state.done, state.tenth) = (escaped(phase), total, 0, 0);
        if self.phases {
            let text = format!("{}: {}", state.phase, bytes(total));
            state.say(&text);
        }
    }

    fn advance(&self, count: u64) {
        let mut state = lock(&self.state);
        state.done = state.done.saturating_add(count);
        let tenth = u128::from(state.done) * 10 / u128::from(state.total.max(1));
        let tenth = u64::try_from(tenth).unwrap_or(10).min(10);
        if self.phases && tenth > state.tenth {
            state.tenth = tenth;
            let text = format!("{}: {}%, {}", state.phase, tenth * 10, bytes(state.done));
            state.say(&text);
        }
    }

    fn end(&self) {
        let mut state = lock(&self.state);
        if self.phases {
            let text = format!("{}: done", state.phase);
            state.say(&text);
        }
    }

    fn event(&self, event: Event) {
        if let Some(text) = line(&event, self.verbose) {
            lock(&self.state).say(&text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(phases: bool, verbose: bool, work: impl FnOnce(&dyn Progress)) -> String {
        let lines = Lines::new(Vec::new(), phases, verbose);
        work(&lines);
        String::from_utf8(lines.state.into_inner().unwrap().out).unwrap()
    }

    fn work(progress: &dyn Progress) {
        progress.begin("pack\u{1b}", 2048);
        progress.event(Event::Retry { host: "h".into(), why: "w".into(), wait_ms: 5 });
        progress.event(Event::Warning { host: "h".into(), text: "old\n".into() });
        (0..4).for_each(|_| progress.advance(512));
        progress.end();
    }

    #[test]
    fn lines_tell_of_every_tenth_and_of_warnings() {
        let expected = "pack\\u{1b}: 2.00 KiB\nwarning: h: old\\n\npack\\u{1b}: 20%, 512 B\n\
                        pack\\u{1b}: 50%, 1.00 KiB\npack\\u{1b}: 70%, 1.50 KiB\n\
                        pack\\u{1b}: 100%, 2.00 KiB\npack\\u{1b}: done\n";
        assert_eq!(told(true, false, work), expected);
        assert_eq!(told(false, false, work), "warning: h: old\\n\n");
        assert!(told(false, true, work).starts_with("h: w; next try in 5 ms\n"));
    }

    #[test]
    fn nothing_to_move_is_no_trouble() {
        let text = told(true, false, |progress| {
            progress.begin("x", 0);
            progress.advance(0);
            progress.advance(u64::MAX);
            progress.advance(u64::MAX);
            progress.end();
        });
        assert!(text.ends_with("x: done\n"));
    }

    #[test]
    fn bars_come_and_go() {
        let args = OutputArgs::default();
        let bars = choose(&args, true);
        work(bars.as_ref());
        let quiet = OutputArgs { quiet: true, ..args };
        work(choose(&quiet, true).as_ref());
    }
}
