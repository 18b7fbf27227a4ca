/** The longest heads that the CUDA forms of the attention families take. */
export const LARGEST_HEAD_DIM = 256;
