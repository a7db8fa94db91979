//! Following against a writer that behaves like Zeek, with kills in between: each line once, whatever happens.

mod model;

use std::fs;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(20 * 60);

#[test]
fn lines_are_read_as_they_come_and_a_line_is_one_when_its_line_feed_is_there() {
    let (mut writer, mut agent) = model::pair("");
    writer.lines(3);
    agent.run(SECOND);
    assert_eq!(agent.stored(), writer.written(3));
    writer.half_line();
    agent.run(SECOND);
    assert_eq!(agent.stored(), writer.written(3), "half a line is none");
    writer.other_half();
    writer.lines(2);
    agent.run(SECOND);
    assert_eq!(agent.stored(), writer.written(6));
}

#[test]
fn a_file_is_read_to_its_end_after_it_was_renamed_and_the_next_one_from_its_beginning() {
    let (mut writer, mut agent) = model::pair("");
    writer.lines(3);
    agent.run(SECOND);
    writer.lines(2);
    writer.rotate_in_place();
    writer.lines(4);
    agent.run(LONG);
    assert_eq!(agent.stored(), writer.written(9));
    assert_eq!(agent.files(), 1, "a finished file stays open");
}

#[test]
fn the_last_line_of_a_rotated_file_counts_without_a_line_feed() {
    let (mut writer, mut agent) = model::pair("");
    writer.lines(2);
    agent.run(SECOND);
    writer.half_line();
    writer.rotate_in_place();
    writer.forget_half();
    writer.lines(1);
    agent.run(LONG);
    let bad = agent.report().bad().total();
    assert_eq!((agent.stored().len(), bad), (3, 1), "the half line was not looked at, or stopped the rest");
}

#[test]
fn two_rotations_while_the_agent_is_down_are_read_from_the_archive_packed_and_plain() {
    let (mut writer, mut agent) = model::pair("");
    writer.lines(5);
    agent.run(SECOND);
    let mut agent = agent.killed();
    writer.lines(5);
    writer.archive_packed();
    writer.lines(5);
    writer.archive();
    writer.lines(5);
    agent.run(LONG);
    assert_eq!(agent.stored(), writer.written(20));
    let mut agent = agent.killed();
    agent.run(LONG);
    assert_eq!(agent.stored(), writer.written(20), "finished files were read again");
}

#[test]
fn a_file_that_comes_into_the_archive_after_a_newer_one_is_not_passed_over() {
    let (mut writer, mut agent) = model::pair("");
    writer.lines(1);
    agent.run(SECOND);
    let mut agent = agent.killed();
    writer.catch_up();
    writer.archive();
    writer.lines(5);
    writer.move_aside();
    writer.lines(5);
    writer.archive_packed();
    writer.lines(1);
    agent.run(LONG);
    assert_eq!(agent.stored().len(), 7);
    let mut agent = agent.killed();
    writer.archive_aside();
    agent.run(LONG);
    let mut stored = agent.stored();
    stored.sort_unstable();
    assert_eq!(stored, writer.written(12));
}

#[test]
fn what_was_archived_before_the_first_start_is_not_read_and_what_is_current_is_from_its_first_line() {
    let (mut writer, mut agent) = model::pair("");
    writer.lines(5);
    writer.archive_packed();
    writer.lines(5);
    writer.rotate_in_place();
    writer.lines(5);
    agent.run(LONG);
    assert_eq!(agent.stored(), (10..15).collect::<Vec<_>>());
    let mut agent = agent.killed();
    agent.run(LONG);
    assert_eq!(agent.stored().len(), 5);
}

#[test]
fn a_first_start_at_the_end_reads_new_lines_only_and_remembers_that() {
    let (mut writer, mut agent) = model::pair("start = \"end\"\n");
    writer.lines(5);
    writer.half_line();
    agent.run(SECOND);
    let mut agent = agent.killed();
    writer.other_half();
    writer.lines(2);
    agent.run(SECOND);
    assert_eq!(agent.stored(), [5, 6, 7]);
    writer.rotate_in_place();
    writer.lines(1);
    agent.run(LONG);
    assert_eq!(agent.stored(), [5, 6, 7, 8], "a file that comes later is read from its beginning");
}

#[test]
fn a_file_that_shrinks_is_read_from_its_beginning_and_what_was_copied_before_is_read_on() {
    let (mut writer, mut agent) = model::pair("");
    writer.lines(4);
    agent.run(SECOND);
    writer.lines(3);
    writer.copy_and_truncate();
    writer.lines(2);
    // The copy is looked into before it is seen that its original was emptied.
    agent.search_now();
    agent.run(LONG);
    assert_eq!(agent.stored(), writer.written(9));
    assert_eq!(agent.report().gone.files, 0);
}

#[test]
fn a_file_that_is_emptied_and_grows_beyond_where_it_was_is_another_one() {
    let (mut writer, mut agent) = model::pair("");
    writer.lines(2);
    agent.run(SECOND);
    writer.truncate();
    writer.lines(9);
    agent.run(SECOND);
    assert_eq!(agent.stored(), writer.written(11));
}

#[test]
fn a_copy_that_takes_the_place_of_its_original_is_read_on_where_that_ended() {
    let (mut writer, mut agent) = model::pair("");
    writer.lines(30);
    agent.run(SECOND);
    writer.replace_by_copy();
    writer.lines(2);
    agent.run(LONG);
    writer.lines(2);
    agent.run(LONG);
    assert_eq!(agent.stored(), writer.written(34));
}

#[test]
fn an_inode_that_is_used_again_after_a_restart_is_not_mistaken() {
    let (mut writer, mut agent) = model::pair("");
    writer.lines(3);
    agent.run(SECOND);
    let mut agent = agent.killed();
    // The same inode under the same name, of another content.
    writer.truncate();
    writer.lines(5);
    agent.run(SECOND);
    assert_eq!(agent.stored(), writer.written(8));
}

#[test]
fn a_file_that_is_gone_before_it_was_read_is_counted_with_what_is_known() {
    let (mut writer, mut agent) = model::pair("");
    writer.lines(3);
    agent.run(SECOND);
    let mut agent = agent.killed();
    writer.lines(3);
    writer.delete();
    writer.lines(1);
    agent.run(SECOND);
    assert_eq!(agent.report().gone.files, 0, "it may still come");
    agent.run(LONG);
    assert_eq!(agent.report().gone.files, 1);
    let mut agent = agent.killed();
    agent.run(LONG);
    assert_eq!(agent.report().gone.files, 0, "it was counted before");
    assert_eq!(agent.stored(), [0, 1, 2, 6]);
}

#[test]
fn a_deleted_file_is_read_to_its_end_while_the_agent_runs() {
    let (mut writer, mut agent) = model::pair("");
    writer.lines(3);
    agent.run(SECOND);
    writer.lines(3);
    writer.delete();
    writer.lines(1);
    agent.run(LONG);
    assert_eq!(agent.stored(), writer.written(7));
    assert_eq!(agent.report().gone.files, 0);
}

#[test]
fn a_directory_that_comes_later_is_followed_and_told_of_until_then() {
    let (mut writer, mut agent) = model::pair("");
    writer.remove_directory();
    agent.run(SECOND);
    let troubles = agent.report().troubles;
    assert!(troubles.len() == 1 && troubles[0].contains("zeek.directories"), "{troubles:?}");
    writer.make_directory();
    writer.lines(2);
    agent.run(SECOND);
    assert_eq!(agent.stored(), writer.written(2));
    assert!(agent.report().troubles.is_empty());
}

#[test]
fn broken_lines_and_lines_without_end_are_counted_and_skipped_alone() {
    let (mut writer, mut agent) = model::pair("");
    writer.lines(2);
    writer.raw(b"{\"ts\":1,\n");
    writer.lines(1);
    writer.raw(&vec![b'x'; 3 << 20]);
    agent.run(SECOND);
    writer.raw(&vec![b'x'; 1 << 20]);
    writer.raw(b"\n");
    writer.lines(1);
    writer.raw(b"\xff\xfe\x00\n");
    writer.lines(1);
    agent.run(SECOND);
    assert_eq!(agent.stored(), writer.written(5));
    let report = agent.report();
    assert_eq!(report.bad().total(), 3, "{:?}", report.logs);
    assert_eq!(report.logs[0].counts.lines, 8);
}

#[test]
fn a_packed_file_that_is_damaged_gives_what_can_be_read_and_is_counted() {
    let (mut writer, mut agent) = model::pair("");
    writer.lines(1);
    agent.run(SECOND);
    let mut agent = agent.killed();
    writer.lines(2_000);
    writer.archive_packed();
    let file = writer.archived().pop().unwrap();
    let whole = fs::read(&file).unwrap();
    writer.replace(&file, &whole[..whole.len() / 2]);
    agent.run(SECOND);
    assert_eq!(agent.report().damaged, 0, "it may still be packed");
    let so_far = agent.stored().len();
    assert!(so_far > 100 && so_far < 2_001, "{so_far}");
    let mut agent = agent.killed();
    agent.run(SECOND);
    writer.replace(&file, &whole);
    agent.run(Duration::from_secs(30));
    assert_eq!(agent.stored(), writer.written(2_001), "the rest came");
    let mut agent = agent.killed();
    writer.lines(2_000);
    writer.archive_packed();
    let file = writer.archived().pop().unwrap();
    let whole = fs::read(&file).unwrap();
    writer.replace(&file, &whole[..whole.len() / 2]);
    agent.run(LONG);
    assert_eq!(agent.report().damaged, 1);
}

#[test]
fn a_header_in_force_is_known_after_a_restart_in_the_middle_of_a_file() {
    let (mut writer, mut agent) = model::pair("");
    writer.raw(b"#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n#open\t2026-11-21\n");
    writer.raw(b"#fields\tts\tuid\tid.orig_h\tid.resp_h\n#types\ttime\tstring\taddr\taddr\n");
    writer.raw(b"1795264496.123456\tC0\t10.0.0.1\t10.0.0.2\n");
    agent.run(SECOND);
    let mut agent = agent.killed();
    writer.raw(b"1795264496.123456\tC1\t10.0.0.1\t10.0.0.2\n#close\t2026-11-21\n");
    agent.run(SECOND);
    assert_eq!(agent.stored(), [0, 1]);
    assert_eq!(agent.report().bad().total(), 0);
}

#[test]
fn each_line_is_stored_once_whatever_writer_and_kills_do() {
    for seed in 0..100 {
        let (mut writer, mut agent) = model::pair("");
        writer.lines(1);
        agent.run(SECOND);
        assert_eq!(agent.stored(), [0], "the first start is behind us");
        let mut random = model::Random(seed);
        for _ in 0..60 {
            let deed = random.below(10);
            writer.say(&format!("deed {deed}"));
            match deed {
                0..3 => writer.lines(random.below(30)),
                3 => writer.finish_line(),
                4 => writer.half_line(),
                5 => writer.rotate(&mut random),
                6 => agent.search_now(),
                7 => agent.run(Duration::from_millis(500 * random.below(20))),
                8 => {
                    let kept = random.below(4);
                    writer.say(&format!("killed, {kept} batches kept"));
                    agent = agent.killed_after(kept);
                }
                _ => writer.wait(random.below(100)),
            }
        }
        writer.finish_line();
        agent.run(LONG);
        let mut stored = agent.stored();
        stored.sort_unstable();
        assert_eq!(
            stored,
            writer.all(),
            "seed {seed}: {:#?}\n{:#?}\n{:#?}",
            writer.said(),
            agent.report(),
            agent.bookmarks()
        );
        assert_eq!((agent.report().gone.files, agent.report().damaged), (0, 0), "seed {seed}");
    }
}

#[test]
fn connections_are_named_by_what_other_logs_said_of_them_in_the_same_look() {
    let (mut writer, mut agent) = model::pair("");
    writer.lines(1);
    let dns = "{\"ts\":1795264496.1,\"uid\":\"C0\",\"id.orig_h\":\"10.0.0.1\",\"id.orig_p\":1,\"id.resp_h\":\"10.0.0.2\",\
               \"id.resp_p\":53,\"proto\":\"udp\",\"query\":\"a.example\",\"qtype_name\":\"A\"}\n";
    writer.beside("dns.log", dns.as_bytes());
    agent.run(SECOND);
    let records = agent.records();
    assert_eq!(records.len(), 2);
    for record in &records {
        assert_eq!(record.domain.as_deref(), Some("a.example"), "{record:?}");
        let observer = record.observer.as_deref().unwrap();
        assert!(
            observer.ends_with("/current/conn.log") || observer.ends_with("/current/dns.log"),
            "{observer}"
        );
    }
}

#[test]
fn a_stop_ends_a_hand_over_that_waits_for_room() {
    let (mut writer, agent) = model::pair("");
    writer.lines(5_000);
    let (mut agent, stop) = agent.with_room_for(100);
    std::thread::scope(|scope| {
        let waits = scope.spawn(move || agent.run_on(SECOND).is_err());
        std::thread::sleep(Duration::from_millis(100));
        assert!(!waits.is_finished(), "it did not wait for room");
        stop.set();
        assert!(waits.join().unwrap());
    });
}
