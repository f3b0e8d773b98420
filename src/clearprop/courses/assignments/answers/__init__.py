"""The courses' written questions, with answers computed by the library."""
