//! Writes the capture that Weir ships: `cargo run -p weir-tests --example make_office`.

use std::path::Path;

fn main() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/assets/office.pcap");
    std::fs::create_dir_all(path.parent().expect("in a folder")).expect("the folder can be made");
    let capture = weir_tests::office::capture();
    capture.write(&path);
    println!("{} frames in {}", capture.len(), path.display());
}
