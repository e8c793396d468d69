"""What people were told, as `holdfast load --history` wrote it down, and whether it can be explained."""
