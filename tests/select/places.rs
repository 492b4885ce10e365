//! Whole repositories and whole registries, for when one has to be made anew.

use std::collections::BTreeSet;

use super::small::Pusher;
use super::support::DockerRegistry;
use super::support::command::Work;
use super::support::images::{Eyes, entries};
use super::support::proxy::Proxy;
use super::{TRUST, names};

/// Repositories with as many tags each; every fourth tag shares its image with another.
fn filled(repositories: usize, tags: usize) -> DockerRegistry {
    let registry = DockerRegistry::start();
    std::thread::scope(|scope| {
        for part in 0..4 {
            let host = registry.host();
            scope.spawn(move || {
                let mut pusher = Pusher::on(&host);
                for repository in (part..repositories).step_by(4) {
                    fill(&mut pusher, repository, tags);
                }
            });
        }
    });
    registry
}

fn fill(pusher: &mut Pusher, repository: usize, tags: usize) {
    let name = format!("team-{}/app-{repository}", repository % 7);
    for tag in 0..tags {
        let content = format!("{repository} {}", tag - usize::from(tag % 4 == 3));
        pusher.image(&name, &[&format!("1.{tag}.0")], &content, "2026-05-01T00:00:00Z");
    }
}

/// Every repository with its tags and the digest of each.
fn inventory(registry: &DockerRegistry) -> BTreeSet<String> {
    let eyes = Eyes::on(&registry.host());
    let mut found = BTreeSet::new();
    for repository in eyes.catalog() {
        for tag in eyes.tags(&repository) {
            let (_, _, bytes) = eyes.get(&format!("{repository}/manifests/{tag}"));
            let digest = super::support::images::digest(&bytes);
            found.insert(format!("{repository}:{tag} {digest}"));
        }
    }
    found
}

/// gapferry with the words of `line`, for as long as it takes; what it prints.
fn long(work: &Work, line: &str) -> String {
    let start = std::time::Instant::now();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gapferry"));
    command.args(line.split(' ')).current_dir(work.path("")).env("HOME", work.path(""));
    let output = command.env("GAPFERRY_STATE", work.path("state")).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}");
    println!("{line}: {:?}", start.elapsed());
    String::from_utf8(output.stdout).unwrap()
}

/// Carries a registry over whole, and a second time.
fn carried(repositories: usize, tags: usize) {
    let (work, from) = (Work::new(), filled(repositories, tags));
    let host = from.host();
    long(&work, &format!("lock {host}/ --jobs 16 -o images.lock"));
    assert_eq!(names(&work, "images.lock", &host).len(), repositories * tags);
    long(&work, "export --lock images.lock --jobs 16 -o bundle --key release.key");
    let to = DockerRegistry::start();
    long(&work, &format!("import bundle {TRUST} --jobs 16 --to docker://{}", to.host()));
    assert_eq!(inventory(&to), inventory(&from));

    let watched = Proxy::start(to.port(), vec![]);
    let line = format!("import bundle {TRUST} --jobs 4 --to docker://{}", watched.host());
    assert!(long(&work, &line).contains("already imported"));
    let heads = watched.heads();
    let reads = |head: &&String| ["GET ", "HEAD "].iter().any(|it| head.starts_with(it));
    assert!(!heads.is_empty() && heads.iter().all(|head| reads(&head)), "something was sent");
}

#[test]
fn a_registry_is_carried_over_whole() {
    carried(12, 5);
}

#[cfg(feature = "slow-tests")]
#[test]
fn a_registry_of_200_repositories_and_2000_tags_is_carried_over_whole() {
    carried(200, 10);
}

#[test]
fn a_repository_and_a_part_of_a_registry_are_chosen() {
    let (work, from) = (Work::new(), filled(9, 2));
    let host = from.host();
    work.ok(&format!("lock {host}/team-1/ {host}/team-3/app-3:* -o images.lock"));
    let expected = [
        "team-1/app-1:1.0.0",
        "team-1/app-1:1.1.0",
        "team-1/app-8:1.0.0",
        "team-1/app-8:1.1.0",
        "team-3/app-3:1.0.0",
        "team-3/app-3:1.1.0",
    ];
    assert_eq!(names(&work, "images.lock", &host), expected);
    // What is asked for now, beside that lock.
    work.write("more.txt", format!("{host}/team-5/app-5:1.0.0\n"));
    let told = work.json(&format!("diff images.lock --image {host}/team-3/app-3:* -f more.txt"));
    let count = |what: &str| told[what].as_array().unwrap().len();
    assert_eq!((count("added"), count("removed"), count("changed")), (1, 4, 0), "{told}");
    assert_eq!(told["added"][0]["name"], format!("{host}/team-5/app-5:1.0.0"));
    assert_eq!(told["same"], 2);
    work.refused("diff images.lock", 2, "usage");
    work.refused("diff images.lock images.lock -f more.txt", 2, "usage");
}

/// cosign's signatures and the lists that stand in for the referrers API lie under tags that are no
/// images: they come along with what they belong to. A signature whose image is gone comes too.
#[test]
fn tags_made_of_digests_belong_to_their_images() {
    let (work, from) = (Work::new(), DockerRegistry::start());
    let entries = entries(&["signed/", "library/"]);
    Eyes::on(&from.host()).push(&entries);
    let orphan = format!("sha256-{}.sig", "ab".repeat(32));
    Pusher::on(&from.host()).image("signed/app", &[&orphan], "x", "2026-05-01T00:00:00Z");
    let host = from.host();
    work.ok(&format!("lock {host}/ -o images.lock"));
    let names = names(&work, "images.lock", &host);
    let own = entries.iter().filter(|entry| entry.tag.is_some() && !entry.is_cosign());
    let mut expected: Vec<String> = own.map(|entry| entry.name()).collect();
    expected.push(format!("signed/app:{orphan}"));
    expected.sort();
    assert_eq!(names, expected);
    work.ok("export --lock images.lock -o bundle --key release.key");
    let to = DockerRegistry::start();
    work.ok(&format!("import bundle {TRUST} --to docker://{}", to.host()));
    Eyes::on(&to.host()).assert_holds("", &entries);
    // The lists that stand in for the referrers API are written anew at each registry.
    let tags = |registry: &DockerRegistry| -> BTreeSet<String> {
        let found = inventory(registry).into_iter();
        found.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    assert_eq!(tags(&to), tags(&from));
    work.ok(&format!("lock {host}/ --no-referrers -o bare.lock"));
    assert!(super::names(&work, "bare.lock", &host).iter().all(|name| !name.contains("sha256-")));
}

/// gapferry's own registry lists its repositories too.
#[test]
fn what_gapferry_serves_is_a_registry_as_well() {
    let images = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/images");
    let layout = gapferry::layout::Layout::open(std::path::Path::new(images)).unwrap();
    let stock = gapferry::serve::Stock::layout(layout).unwrap();
    let options = gapferry::serve::Options::open(([127, 0, 0, 1], 0).into());
    let server = gapferry::serve::Server::start(stock, options).unwrap();
    let work = Work::new();
    let host = server.addr().to_string();
    work.ok(&format!("lock {host}/library/ -o images.lock"));
    let names = names(&work, "images.lock", &host);
    let expected: BTreeSet<String> = entries(&["library/"]).iter().map(|it| it.name()).collect();
    assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), expected);
}
