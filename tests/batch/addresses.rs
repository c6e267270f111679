//! Files on a server, read by libav.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::place::{FLOW, Place};

/// Serves the files of a folder; of those below `/cut/`, which lie beside the others, it sends half and hangs up. Tells its address.
fn serve(folder: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let folder = folder.clone();
            // A reader keeps a connection while it opens another to go elsewhere in the file.
            std::thread::spawn(move || answer(stream, &folder));
        }
    });
    address
}

/// Answers one request, for a whole file or for its bytes from some place on. Whoever hangs up early is no failure.
fn answer(mut stream: TcpStream, folder: &Path) {
    let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let request: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let Some(name) = request.first().and_then(|line| line.split(' ').nth(1)) else { return };
    let cut = name.starts_with("/cut/");
    let name = name.split('?').next().unwrap_or(name);
    let Ok(content) = std::fs::read(folder.join(name.trim_start_matches("/cut").trim_start_matches('/'))) else {
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        return;
    };
    let length = content.len();
    let asked =
        request.iter().find_map(|line| line.to_ascii_lowercase().strip_prefix("range: bytes=")?.split('-').next()?.parse().ok());
    let (status, from) = asked.map_or(("200 OK", 0), |from: usize| ("206 Partial Content", from.min(length)));
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nAccept-Ranges: bytes\r\nContent-Range: bytes {from}-{}/{length}\r\nContent-Length: {}\r\n\r\n",
        length - 1,
        length - from
    );
    let end = if cut { length / 2 } else { length };
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&content[from.min(end)..end]));
}

/// The rows of a run without what names the content: an address stands for itself.
fn windows(place: &Place, out: &str) -> Vec<Value> {
    let rows = place.rows(out).into_iter().map(|row| {
        let mut row: Value = serde_json::from_str(&row).unwrap();
        row.as_object_mut().unwrap().retain(|field, _| field != "key" && field != "file");
        row
    });
    rows.collect()
}

#[test]
fn files_on_a_server_are_as_good_as_files() {
    let place = Place::new(&[7]);
    let server = serve(place.path("in"));
    let run = |given: &str, out: &str, more: &[&str]| -> Vec<String> {
        let own = ["batch", "--task", "flow", "--model", FLOW, "--scale", "fit", given, "--out", out, "-q"];
        own.iter().chain(more).map(|&argument| argument.to_owned()).collect()
    };
    let ends = |code: i32, arguments: Vec<String>| place.ends(code, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let there = format!("{server}/clip-0.mp4");
    ends(0, run("in/clip-0.mp4", "files", &[]));
    ends(0, run(&there, "served", &["--flo"]));
    let rows = windows(&place, "served");
    assert_eq!(rows.len(), 6);
    for (served, file) in rows.iter().zip(windows(&place, "files")) {
        assert_eq!(served["flow"], file["flow"]);
        assert_eq!(served["start"], file["start"]);
    }
    assert_eq!(place.products("served").len(), 6);
    // A question in it makes no pattern of an address.
    ends(0, run(&format!("{there}?token=x"), "asked", &[]));
    assert_eq!(place.rows("asked").len(), 6);

    // What fails there is told like what fails here, and done is done.
    let (gone, cut) = (format!("{server}/gone.mp4"), format!("{server}/cut/clip-0.mp4"));
    let (stdout, _) = ends(3, run(&there, "served", &["--flo", "--resume", &gone, &cut]));
    assert!(stdout.starts_with("1 of 3 files done, 1 of them earlier, 2 failed\n") && stdout.contains("404"), "{stdout}");
}
