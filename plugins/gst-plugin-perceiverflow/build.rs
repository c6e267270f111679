//! Puts the commit and date of the build into the plugin.

fn main() {
    gst_plugin_version_helper::info();
}
