"""The signed addresses of files on one machine; a bucket serves its own."""
