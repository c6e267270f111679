//! The script of an RTSP camera, on a camera of our own: what little of RTSP (RFC 2326) a client asks, and RTP in the same connection.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use gst::prelude::*;

use crate::launch::run_until;

pub(crate) const SCRIPTS: &[&str] = &["rtsp-labels.sh"];

/// What the camera sends.
const DESCRIPTION: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
                           a=fmtp:96 packetization-mode=1\r\na=control:video\r\n";

/// Sends RTP packets, in the frames that RTSP interleaves, until the connection ends.
fn play(connection: &Mutex<TcpStream>) {
    let line = "videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=25/1 ! x264enc tune=zerolatency key-int-max=5 \
                ! rtph264pay config-interval=1 mtu=1200 pt=96 ! appsink name=out";
    let pipeline = gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>().unwrap();
    let out = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    while let Ok(sample) = out.pull_sample() {
        let packet = sample.buffer().unwrap().map_readable().unwrap();
        let mut frame = vec![b'$', 0];
        frame.extend(u16::try_from(packet.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(&packet);
        if connection.lock().unwrap().write_all(&frame).is_err() {
            break;
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
}

/// The next request: its method and its number. What the client sends about RTP between requests is left out.
fn request(reader: &mut impl BufRead) -> Option<(String, String)> {
    while *reader.fill_buf().ok()?.first()? == b'$' {
        let mut header = [0; 4];
        reader.read_exact(&mut header).ok()?;
        let length = u16::from_be_bytes([header[2], header[3]]);
        std::io::copy(&mut reader.take(length.into()), &mut std::io::sink()).ok()?;
    }
    let (mut method, mut number) = (String::new(), String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end() {
            "" => return (!method.is_empty()).then_some((method, number)),
            line if method.is_empty() => method = line.split(' ').next()?.to_owned(),
            line => {
                if let Some(("CSeq", given)) = line.split_once(": ") {
                    number = given.to_owned();
                }
            }
        }
    }
}

/// Answers one client; says to `played` that it was asked to play.
fn serve(connection: TcpStream, played: &AtomicBool) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let connection = Arc::new(Mutex::new(connection));
    while let Some((method, number)) = request(&mut reader) {
        let (fields, body) = match method.as_str() {
            "OPTIONS" => ("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n", ""),
            "DESCRIBE" => ("Content-Type: application/sdp\r\n", DESCRIPTION),
            "SETUP" => ("Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n", ""),
            _ => ("Session: 1\r\n", ""),
        };
        let answer = format!("RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len());
        if connection.lock().unwrap().write_all(answer.as_bytes()).is_err() {
            return;
        }
        if method == "PLAY" && !played.swap(true, Ordering::Relaxed) {
            let connection = connection.clone();
            std::thread::spawn(move || play(&connection));
        }
    }
}

#[test]
fn a_camera_is_labelled_until_it_is_interrupted() {
    gst::init().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("rtspt://{}/camera", listener.local_addr().unwrap());
    let played = Arc::new(AtomicBool::new(false));
    let asked = played.clone();
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            serve(connection, &asked);
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let written = run_until(3, "rtsp-labels.sh", &[("INPUT", &address)], &folder.path().join("labels.jsonl"));
    assert!(played.load(Ordering::Relaxed));
    assert!(written.lines().all(|line| line.starts_with('{') && line.ends_with('}')), "{written}");
}
