"""Every question an operator asks and every action they carry out, for commands and pages alike."""
