"""The networks of a race: trained slice by slice, averaged, saved. Internal: `kerasnas.racing` is the face."""
