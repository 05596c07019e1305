"""What is true of an account now, and who may see and change it: for every face and every door alike."""
