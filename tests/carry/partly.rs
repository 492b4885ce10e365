//! `--keep-going`: what can be done is done, and what is missing is listed.

use super::support::DockerRegistry;
use super::support::command::Work;
use super::support::images::{Eyes, entries};
use super::support::proxy::{Fault, Proxy, always};
use super::{TRUST, exported, seeded};

/// Exit code, standard output and standard error.
fn said(work: &Work, line: &str) -> (i32, String, String) {
    let output = work.run(line);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_lock_holds_what_could_be_had() {
    let work = Work::new();
    let (from, _) = seeded(&["library/busybox", "charts/"]);
    let (here, gone) =
        (format!("{}/charts/hello:0.1.0", from.host()), format!("{}/gone:1", from.host()));
    let line = format!("lock {gone} {here} -o images.lock");
    assert!(work.refused(&line, 1, "not-found").contains("/gone:1"));
    assert!(!work.path("images.lock").exists());
    let line = format!("{line} --keep-going");
    let (exit, _, errors) = said(&work, &line);
    assert_eq!(exit, 5);
    assert!(errors.contains(&gone) && errors.contains("missing: "), "{errors}");
    let failure = work.fails(&line);
    assert_eq!((failure.exit, failure.code.as_str()), (5, "partial"));
    work.ok("export --lock images.lock -o bundle --key release.key");
    let seen = work.json(&format!("inspect bundle {TRUST}"));
    assert_eq!(seen["images"].as_array().unwrap().len(), 1);
    assert_eq!(seen["images"][0]["name"], here.as_str());

    let nothing = format!("lock {gone} -o none.lock --keep-going");
    assert_eq!(work.fails(&nothing).exit, 5);
    assert!(!work.path("none.lock").exists());

    let line = format!("export {gone} {here} -o other --key release.key --keep-going");
    assert_eq!(work.fails(&line).exit, 5);
    work.ok(&format!("verify other {TRUST}"));
}

#[test]
fn an_image_that_the_target_refuses_keeps_no_other_back() {
    let work = Work::new();
    let all = exported(&work, &["library/busybox", "charts/", "signed/"], "bundle");
    let to = DockerRegistry::start();
    let denied = Fault::Answer("403 Forbidden\r\n");
    let proxy = Proxy::start(to.port(), vec![always("PUT", "charts/hello/manifests", denied)]);
    let line = format!("import bundle {TRUST} --to docker://{}", proxy.host());
    assert!(work.refused(&line, 1, "denied").contains("charts/hello"));
    assert!(Eyes::on(&to.host()).tags("charts/hello").is_empty());
    Eyes::on(&to.host()).assert_whole();

    let line = format!("{line} --keep-going");
    let (exit, out, errors) = said(&work, &line);
    assert_eq!(exit, 5, "{errors}");
    assert!(out.contains("failed   ") && errors.contains("charts/hello:0.1.0"), "{out}{errors}");
    let failure = work.fails(&line);
    assert_eq!((failure.exit, failure.code.as_str()), (5, "partial"));
    let eyes = Eyes::on(&to.host());
    eyes.assert_holds("", &entries(&["library/busybox", "signed/"]));
    assert!(eyes.tags("charts/hello").is_empty());
    proxy.heal();
    work.ok(&line);
    eyes.assert_holds("", &all);
}
